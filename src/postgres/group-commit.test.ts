import { expect, test } from 'vitest'
import { testDatabase } from '#test/support/db.ts'
import { groupCommit } from './group-commit.ts'
import { connect, type Db } from './sql.ts'

const BOUNDS = { itemsMax: 500, parallel: 1, waitingMax: 1_000, full: () => new Error('full') }

/** Writes the items of a batch in one transaction; `spoil` may throw in the middle of it. */
async function commitsInto(spoil: (tx: Db, item: string) => unknown) {
  const { sql, url } = await testDatabase()
  await sql`create table kept (item text)`
  const db = connect(url, { max: 1 })
  const commit = groupCommit<string, string>(async (items) => {
    await db.begin(async (tx) => {
      for (const item of items) {
        await tx`insert into kept values (${item})`
        await spoil(tx, item)
      }
    })
    return items.map((item) => `${item} is kept`)
  }, BOUNDS)
  const all = async (items: readonly string[]) => {
    const ended = await Promise.allSettled(items.map((item) => commit(item)))
    await db.end({ timeout: 5 })
    return ended.map((it) => it.status)
  }
  const kept = async () => (await sql<{ item: string }[]>`select item from kept order by item`).map((row) => row.item)
  return { all, kept, sql }
}

test('in a group commit, an item that makes our own code throw fails alone, and the others are written once', async () => {
  const { all, kept } = await commitsInto((_, item) => {
    if (item === 'bad') (undefined as unknown as { toString: () => string }).toString()
  })
  expect(await all(['a', 'b', 'bad', 'c', 'd'])).toEqual([
    'fulfilled',
    'fulfilled',
    'rejected',
    'fulfilled',
    'fulfilled',
  ])
  expect(await kept()).toEqual(['a', 'b', 'c', 'd'])
})

test('in a group commit, an item that the driver cannot send fails alone', async () => {
  const { all, kept } = await commitsInto((tx, item) =>
    item === 'bad' ? tx`select ${Symbol('x') as never}` : undefined,
  )
  expect(await all(['a', 'bad', 'c'])).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(await kept()).toEqual(['a', 'c'])
})

test('after a lost connection, a group commit writes nothing again', async () => {
  let lost = 0
  const { all, kept, sql } = await commitsInto(async (tx, item) => {
    if (item !== 'last') return
    lost++
    const [{ pid } = { pid: 0 }] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`
    await sql`select pg_terminate_backend(${pid}, 5000)`
    await tx`select 1`
  })
  expect(await all(['a', 'b', 'last'])).toEqual(['rejected', 'rejected', 'rejected'])
  expect(lost).toBe(1)
  expect(await kept()).toEqual([])
})

test('items that count for more fill a batch sooner, one that is too heavy goes alone, and none is overtaken', async () => {
  const batches: number[][] = []
  const commit = groupCommit<number, number>(
    async (items) => {
      batches.push(items)
      return items
    },
    { ...BOUNDS, itemsMax: 5, weightOf: (weight) => weight },
  )
  expect(await Promise.all([2, 2, 3, 1, 9, 1, 4, 1].map(commit))).toEqual([2, 2, 3, 1, 9, 1, 4, 1])
  expect(batches).toEqual([[2, 2], [3, 1], [9], [1, 4], [1]])
})
