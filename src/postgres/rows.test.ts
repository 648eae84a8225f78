import { describe, expect, test } from 'vitest'
import { suiteDatabase } from '#test/support/db.ts'
import { type Columns, orderedRowsOf, rowsOf, slotRowsOf, slotValuesOf, valuesOf } from './rows.ts'
import { statement } from './statement.ts'

const { sql } = await suiteDatabase()

describe('rows of a statement', () => {
  test('come out as they went in, whatever their text holds', async () => {
    const items = [
      { id: 1, text: 'plain', price: 0.5 },
      { id: 2, text: 'null', price: null },
      { id: 3, text: null, price: 1e-9 },
      { id: 4, text: 'a,"b" {c} \\d', price: 3 },
    ]
    const rows = await sql`select * from ${rowsOf(sql, items, {
      'id int': (it) => it.id,
      'text text': (it) => it.text,
      'price float8': (it) => it.price,
    })}`
    expect([...rows]).toEqual(items)
  })

  test('a column of nulls keeps its rows, and no items are no rows', async () => {
    const read = async (ids: number[]) => [
      ...(await sql`select * from ${rowsOf(sql, ids, { 'id int': (id) => id, 'none uuid': () => undefined })}`),
    ]
    expect(await read([1, 2])).toEqual([
      { id: 1, none: null },
      { id: 2, none: null },
    ])
    expect(await read([])).toEqual([])
  })

  test('are numbered in the order of the items, under a name of the statement', async () => {
    const rows = await sql`
      select made.ord::int as ord, made.key from ${orderedRowsOf(sql, ['b', 'a'], { 'key text': (it) => it }, 'made')}`
    expect([...rows]).toEqual([
      { ord: 1, key: 'b' },
      { ord: 2, key: 'a' },
    ])
  })

  test('are the same for a statement that is written once, however often it is executed', async () => {
    const columns: Columns<{ id: number; text: string | null }> = {
      'id int': (it) => it.id,
      'text text': (it) => it.text,
    }
    const read = statement<object>((db) => db`select ord::int, id, text from ${slotRowsOf(db, columns)} order by ord`)
    const given = async (items: { id: number; text: string | null }[]) => [
      ...(await read(sql, slotValuesOf(columns, items))),
    ]
    expect(await given([{ id: 7, text: 'a,"b"' }])).toEqual([{ ord: 1, id: 7, text: 'a,"b"' }])
    expect(
      await given([
        { id: 9, text: null },
        { id: 8, text: null },
      ]),
    ).toEqual([
      { ord: 1, id: 9, text: null },
      { ord: 2, id: 8, text: null },
    ])
    expect(await given([])).toEqual([])
  })

  test('have one text for any number of items', async () => {
    const textOf = async (ids: number[]) =>
      (await sql`select * from ${rowsOf(sql, ids, { 'id int': (id) => id })}`).statement.string
    expect(await textOf([])).toBe(await textOf([1, 2, 3]))
  })
})

test('an insert takes values and pieces of SQL by the names of their columns', async () => {
  await sql`create table shelf (id int, books text[], spine bytea, at timestamptz)`
  const spine = Buffer.from([0, 255])
  await sql`insert into shelf ${valuesOf(sql, { id: sql`${1}::int + 1`, books: ['a', 'b'], spine, at: null })}`
  expect([...(await sql`select * from shelf`)]).toEqual([{ id: 2, books: ['a', 'b'], spine, at: null }])
})
