import { expect, test } from 'vitest'
import { schemaPool } from './schema-pool.ts'

const QUICK = { schemaText: '{"type":"object"}', value: { text: '[]', name: 'payload' } }
/** It takes seconds to compile. */
const properties = (count: number, from = 0) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`a${from + i}`, { type: 'object', properties: { b: { maxLength: 5 } } }]),
  )
const ENDLESS = { schemaText: JSON.stringify({ properties: properties(6_000) }) }

test('a schema check that takes too long is stopped, and the next one gets a thread', async () => {
  const pool = schemaPool({ threads: 1, cpuMsMax: 200, wallMsMax: 60_000 })
  expect(await pool.run('p1', ENDLESS)).toBe('too_long')
  expect(await pool.run('p1', QUICK)).toMatchObject({ problems: [{ field: 'payload', message: 'must be object' }] })
})

test('a schema check that waits for the CPU of a busy machine is eventually stopped as well', async () => {
  const pool = schemaPool({ threads: 1, cpuMsMax: 60_000, wallMsMax: 300 })
  expect(await pool.run('p1', ENDLESS)).toBe('too_long')
})

test('a project with many schema checks delays only itself', async () => {
  const pool = schemaPool({ threads: 2, cpuMsMax: 60_000, wallMsMax: 60_000 })
  const done: string[] = []
  const ask = (projectId: string, task: Parameters<typeof pool.run>[1]) =>
    pool.run(projectId, task).then(() => done.push(projectId))
  const flood = Array.from({ length: 6 }, (_, i) =>
    ask('greedy', { schemaText: JSON.stringify({ properties: properties(300, i) }) }),
  )
  await ask('modest', QUICK)
  expect(done.filter((it) => it === 'greedy').length).toBeLessThan(6)
  await Promise.all(flood)
})

test('the queue of schema checks is bounded per project, and the next check is refused with that reason', async () => {
  const pool = schemaPool({ threads: 1, cpuMsMax: 200, wallMsMax: 60_000 })
  const asked = Array.from({ length: 2_000 }, () => pool.run('p1', QUICK))
  await expect(pool.run('p1', QUICK)).rejects.toThrow(/full/)
  const other = pool.run('p2', QUICK)
  await Promise.all([...asked, other])
})
