import { expect, test } from 'vitest'
import type { Sql } from '#postgres/sql.ts'
import { testDatabase } from '#test/support/db.ts'
import { PROJECT, prepareLog } from '#test/support/log.ts'
import { deleteUnseenResources } from '#upkeep/retention.sql.ts'
import { appendEvents } from './append-events.sql.ts'
import type { NewEvent } from './new-event.sql.ts'
import { findResources, nameResources, resourceUuid } from './resources.sql.ts'

const THING = '497f6eca-6276-4993-bfeb-53cbbbba6f08'

async function ownLog(): Promise<Sql> {
  const { sql } = await testDatabase()
  await prepareLog(sql)
  return sql
}

const about = (resourceType: string, resourceId: string): NewEvent => ({
  projectId: PROJECT,
  type: 'thing.seen',
  actor: { type: 'user', id: 'u' },
  resourceType,
  resourceId,
})

test('a resource is found by its UUID, and not by another project', async () => {
  const sql = await ownLog()
  await appendEvents(sql, [
    about('file', 'a'),
    about('file', 'a'),
    about('file', 'b'),
    about('key', THING.toUpperCase()),
  ])
  expect(await findResources(sql, PROJECT, resourceUuid(PROJECT, 'file', 'a'))).toEqual([{ type: 'file', id: 'a' }])
  expect(await findResources(sql, PROJECT, THING)).toEqual([{ type: 'key', id: THING.toUpperCase() }])
  expect(await findResources(sql, 'other', THING)).toEqual([])
})

test('equal ids of different types and projects are kept apart', () => {
  const uuids = [
    resourceUuid('p', 'file', 'a'),
    resourceUuid('p', 'key', 'a'),
    resourceUuid('q', 'file', 'a'),
    resourceUuid('p', 'run', 'a'),
  ]
  expect(new Set(uuids).size).toBe(4)
})

test('concurrent events about one resource record it once', async () => {
  const sql = await ownLog()
  await Promise.all(Array.from({ length: 20 }, () => appendEvents(sql, [about('file', 'a'), about('file', 'b')])))
  const [row] = await sql<{ n: number }[]>`select count(*)::int as n from resources`
  expect(row!.n).toBe(2)
})

test('resources from before there were UUIDs get one by migration', async () => {
  const sql = await ownLog()
  await appendEvents(sql, [about('file', 'a')])
  await sql`update resources set uuid = null`
  expect(await nameResources(sql, 10)).toBe(1)
  expect(await findResources(sql, PROJECT, resourceUuid(PROJECT, 'file', 'a'))).toEqual([{ type: 'file', id: 'a' }])
  expect(await nameResources(sql, 10)).toBe(0)
})

test('a resource is forgotten only when no event about it is kept any more', async () => {
  const sql = await ownLog()
  await appendEvents(sql, [about('file', 'a'), about('file', 'b')])
  await sql`update resources set seen_at = now() - interval '101 days'`
  await appendEvents(sql, [about('file', 'b')])
  expect(await deleteUnseenResources(sql, 100, 10)).toBe(0)
  expect(await deleteUnseenResources(sql, 90, 10)).toBe(1)
  expect(await findResources(sql, PROJECT, resourceUuid(PROJECT, 'file', 'b'))).toHaveLength(1)
})
