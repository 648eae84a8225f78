import { beforeEach, expect, test } from 'vitest'
import { suiteDatabase } from '#test/support/db.ts'
import type { Topic } from './topics.ts'
import { inSavepoint, transact } from './transact.ts'

const { sql } = await suiteDatabase()
await sql`create table kept (id int)`
const kept = async () => (await sql<{ id: number }[]>`select id from kept order by id`).map((row) => row.id)

let rung: { topics: Topic[]; kept: Promise<number[]> }[] = []
beforeEach(async () => {
  rung = []
  await sql`delete from kept`
})
const ctx = { sql, ring: (topics: Iterable<Topic>) => void rung.push({ topics: [...topics], kept: kept() }) }

const insert = (id: number, end: (rollBack: (result: string) => never) => string) =>
  transact<string>(ctx, async (tx, rollBack) => {
    await tx`insert into kept (id) values (${id})`
    tx.rings.add('timers').add('waits')
    return end(rollBack)
  })

test('a transaction is committed, rolled back with a result, or rolled back by an error', async () => {
  expect(await insert(1, () => 'committed')).toBe('committed')
  expect(await insert(2, (rollBack) => rollBack('undone'))).toBe('undone')
  await expect(
    insert(3, () => {
      throw new Error('broken')
    }),
  ).rejects.toThrow('broken')
  expect(await kept()).toEqual([1])
})

test('a transaction rings its topics once, after its commit, and not when it was rolled back', async () => {
  await insert(1, () => 'committed')
  await insert(2, (rollBack) => rollBack('undone'))
  expect(rung.map(({ topics }) => topics)).toEqual([['timers', 'waits']])
  expect(await rung[0]!.kept).toEqual([1])
  await transact(ctx, async (tx) => {
    await tx`insert into kept (id) values (3)`
  })
  expect(rung).toHaveLength(1)
})

test('a savepoint that fails undoes what it wrote and its topics, and the rest is committed', async () => {
  await transact(ctx, async (tx) => {
    await inSavepoint(tx, async (inner) => {
      await inner`insert into kept (id) values (1)`
      inner.rings.add('slots')
    })
    const failed = inSavepoint(tx, async (inner) => {
      await inner`insert into kept (id) values (2)`
      inner.rings.add('leases')
      throw new Error('broken')
    })
    await expect(failed).rejects.toThrow('broken')
    await tx`insert into kept (id) values (3)`
  })
  expect(await kept()).toEqual([1, 3])
  expect(rung.map(({ topics }) => topics)).toEqual([['slots']])
})
