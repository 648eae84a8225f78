import { expect, test } from 'vitest'
import { suiteDatabase } from '#test/support/db.ts'
import { transact } from './transact.ts'

const { sql } = await suiteDatabase()
await sql`create table kept (id int)`
const kept = async () => (await sql<{ id: number }[]>`select id from kept order by id`).map((row) => row.id)

test('a transaction is committed, rolled back with a result, or rolled back by an error', async () => {
  const insert = (id: number, end: (rollBack: (result: string) => never) => string) =>
    transact<string>(sql, async (tx, rollBack) => {
      await tx`insert into kept (id) values (${id})`
      return end(rollBack)
    })
  expect(await insert(1, () => 'committed')).toBe('committed')
  expect(await insert(2, (rollBack) => rollBack('undone'))).toBe('undone')
  await expect(
    insert(3, () => {
      throw new Error('broken')
    }),
  ).rejects.toThrow('broken')
  expect(await kept()).toEqual([1])
})
