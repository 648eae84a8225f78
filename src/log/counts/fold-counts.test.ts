import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Sql } from '#postgres/sql.ts'
import { suiteDatabase, testDatabase } from '#test/support/db.ts'
import { PROJECT, prepareLog } from '#test/support/log.ts'
import { appendEvents } from '../append-events.sql.ts'
import type { LogEvent } from '../event-columns.sql.ts'
import { listEvents } from '../lists/list-events.ts'
import type { NewEvent } from '../new-event.sql.ts'
import { dropPartitions } from '../partitions.sql.ts'
import { countByActor, countEvents, countKinds } from './count-events.sql.ts'
import { findPlace } from './event-places.ts'
import { foldCounts } from './fold-counts.sql.ts'

const { sql } = await suiteDatabase()
await prepareLog(sql)

const pick = <Value>(values: readonly Value[]): Value => values[Math.floor(Math.random() * values.length)]!
const START_MS = Date.UTC(2026, 0, 30, 7)
const DAYS = 40
const anEvent = (): NewEvent => ({
  projectId: PROJECT,
  type: pick(['a.started', 'a.completed', 'b.failed']),
  // Half of them on few moments, so that many have the same one.
  occurredAt: new Date(START_MS + Math.floor(Math.random() * pick([7, 5_000])) * ((DAYS * 86_400_000) / 5_000)),
  actor: { type: pick(['user', 'system'] as const), id: pick(['x', 'y', null]) },
  ...(Math.random() < 0.8 && { resourceType: pick(['file', 'key']), resourceId: pick(['1', '2']) }),
})
// Some are folded already, some in a part of their hours, and some not.
for (let batch = 0; batch < 8; batch++) {
  await appendEvents(sql, Array.from({ length: 500 }, anEvent))
  if (batch < 6) await foldCounts(sql, pick([100, 700, 5_000]))
}

const all: LogEvent[] = await listEvents(sql, { projectId: PROJECT, order: 'newest first', limit: 10_000 })

const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined, freq: 2 })
const moment = fc.oneof(
  fc.integer({ min: -10, max: DAYS * 24 + 10 }).map((hours) => new Date(START_MS + hours * 3_600_000)),
  fc.integer({ min: 0, max: DAYS * 86_400 }).map((seconds) => new Date(START_MS + seconds * 1_000)),
  fc.constantFrom(
    new Date('2026-02-01'),
    new Date('2026-03-01'),
    new Date('9999-12-31T23:59:59Z'),
    new Date('0001-01-01'),
  ),
)
const filters = fc.record({
  projectId: fc.constant(PROJECT),
  from: maybe(moment),
  to: maybe(moment),
  types: maybe(fc.constant(['a.completed', 'none'] as string[])),
  resourceTypes: maybe(fc.subarray(['file', 'key'])),
  named: fc.boolean(),
})
type Filter = typeof filters extends fc.Arbitrary<infer F> ? F : never

const passes =
  ({ from, to, types, resourceTypes, named }: Filter) =>
  (event: LogEvent) =>
    (!from || event.occurredAt >= from) &&
    (!to || event.occurredAt < to) &&
    (!types || types.includes(event.type)) &&
    (!resourceTypes || resourceTypes.includes(event.resourceType ?? '')) &&
    (!named || event.resourceType !== null)

test('counts equal those of the log for any period, however much of it is folded', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(filters, async (filter) => {
      const wanted = all.filter(passes(filter))
      expect((await countEvents(sql, filter)).total).toBe(wanted.length)
      const kinds = await countKinds(sql, filter)
      expect(kinds.reduce((n, kind) => n + kind.count, 0)).toBe(wanted.length)
      const actors = await countByActor(sql, filter, 100)
      const groups = Map.groupBy(wanted, (event) => `${event.actorType} ${event.actorId}`)
      expect(Object.fromEntries(actors.map((it) => [`${it.actorType} ${it.actorId}`, it.total]))).toEqual(
        Object.fromEntries([...groups].map(([key, events]) => [key, events.length])),
      )
    }),
    { numRuns: 150 },
  )
})

test('the counters lead to any offset in a list', { timeout: 60_000 }, async () => {
  const offsets = fc.integer({ min: 0, max: 4_100 })
  await fc.assert(
    fc.asyncProperty(filters, offsets, async (filter, offset) => {
      const place = await findPlace(sql, filter, offset)
      const { resourceTypes, types, named } = filter
      const page =
        place &&
        (await listEvents(sql, {
          projectId: PROJECT,
          types,
          named,
          resource: resourceTypes && { types: resourceTypes },
          occurredFrom: filter.from,
          occurredTo: place?.before,
          order: 'newest first',
          limit: 5,
          offset: place?.skip,
        }))
      const wanted = all.filter(passes(filter)).slice(offset, offset + 5)
      expect((page ?? []).map((event) => event.id)).toEqual(wanted.map((event) => event.id))
    }),
    { numRuns: 150 },
  )
})

test('a deep offset is reached by skipping the events of at most one hour', async () => {
  const place = await findPlace(sql, { projectId: PROJECT }, 3_000)
  const hours = Map.groupBy(all, (event) => Math.floor(event.occurredAt.getTime() / 3_600_000))
  expect(place!.skip).toBeLessThan(Math.max(...[...hours.values()].map((events) => events.length)))
})

async function ownLog(): Promise<Sql> {
  const { sql: own } = await testDatabase()
  await prepareLog(own)
  return own
}

test('no event is lost or counted twice while its hour is folded', async () => {
  const own = await ownLog()
  const occurredAt = new Date(START_MS)
  const append = async () => {
    for (let i = 0; i < 20; i++) await appendEvents(own, [{ ...anEvent(), occurredAt }])
  }
  const fold = async () => {
    for (let i = 0; i < 40; i++) await foldCounts(own, 3)
  }
  await Promise.all([append(), append(), fold(), append()])
  expect((await countEvents(own, { projectId: PROJECT })).total).toBe(60)
  await foldCounts(own)
  expect((await countEvents(own, { projectId: PROJECT })).total).toBe(60)
})

test('an hour that is still being written is not folded', async () => {
  const own = await ownLog()
  await appendEvents(own, [{ ...anEvent(), occurredAt: undefined }])
  expect(await foldCounts(own)).toBe(0)
  await appendEvents(own, [{ ...anEvent(), occurredAt: new Date(Date.now() + 86_400_000) }])
  expect(await foldCounts(own)).toBe(1)
})

test('events of a dropped partition are no longer counted, and leave nothing behind', async () => {
  const own = await ownLog()
  await appendEvents(own, Array.from({ length: 20 }, anEvent))
  await foldCounts(own)
  const before = await countEvents(own, { projectId: PROJECT })
  // What an earlier year wrote: the same events again, in a partition of that time.
  await own.unsafe(`
    create table events_20240101 partition of events for values from ('2024-01-01') to ('2024-01-08');
    insert into events (id, project_id, type, occurred_at, recorded_at, actor_type, actor_id, resource_type, resource_id, correlation_id)
      select gen_random_uuid(), project_id, 'old.' || type, occurred_at - interval '3 years', '2024-01-02', actor_type, actor_id, resource_type, resource_id, 'c' from events;
    insert into event_counts select project_id, date_bin('1 hour', occurred_at, '2000-01-01Z'), type, coalesce(resource_type, ''), actor_type, coalesce(actor_id, ''), 1, count(*)
      from events_20240101 group by 1, 2, 3, 4, 5, 6`)
  await foldCounts(own)
  expect((await countEvents(own, { projectId: PROJECT })).total).toBe(40)
  expect(await dropPartitions(own, 'events', 90)).toEqual(['events_20240101'])
  expect(await countEvents(own, { projectId: PROJECT })).toEqual(before)
  const [left] = await own<{ n: number }[]>`
    select (select count(*) from event_sums where start < '2025-01-01')::int + (select count(*) from actor_sums where start < '2025-01-01')::int as n`
  expect(left!.n).toBe(0)
})
