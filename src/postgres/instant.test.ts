import { expect, test } from 'vitest'
import { testDatabase } from '#test/support/db.ts'
import { instantText, parseInstant } from './instant.ts'

test.each([
  ['2026-01-31 09:30:00+00', '2026-01-31T09:30:00.000Z'],
  ['2026-01-31 09:30:00.1+00', '2026-01-31T09:30:00.100Z'],
  ['2026-01-31 09:30:00.123+00', '2026-01-31T09:30:00.123Z'],
  ['2026-01-31 09:30:00.1234+00', '2026-01-31T09:30:00.123400Z'],
  ['2026-01-31 09:30:00.123456+00', '2026-01-31T09:30:00.123456Z'],
  ['2026-01-31 09:30:00.000001+00', '2026-01-31T09:30:00.000001Z'],
])('the PostgreSQL time %s is %s', (text, rfc3339) => {
  const at = parseInstant(text)
  expect(instantText(at)).toBe(rfc3339)
  expect(at.getTime()).toBe(Date.parse(text))
  expect(at.toISOString()).toHaveLength('2026-01-31T09:30:00.123Z'.length)
})

test('a time goes from the database into a cursor and back without losing a microsecond', async () => {
  const { sql } = await testDatabase()
  const [row] = await sql<{ at: Date }[]>`select '2026-01-31 09:30:00.123456Z'::timestamptz as at`
  const [again] = await sql<{ same: boolean }[]>`
    select ${instantText(row!.at)}::timestamptz = '2026-01-31 09:30:00.123456Z'::timestamptz as same`
  expect(again!.same).toBe(true)
})
