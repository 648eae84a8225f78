import { expect, test } from 'vitest'
import { parseInteger, parseOneOf, parseTime, parseUuid } from './pydantic.ts'

// What Pydantic 2.13 with FastAPI 0.142 answers to the same texts.
const UUID = '497f6eca-6276-4993-bfeb-53cbbbba6f08'

const readOf = (parsed: ReturnType<typeof parseTime>) => ('value' in parsed ? parsed.value : parsed.ctx?.error)

test.each([
  ['2026-01-01', '2026-01-01T00:00:00.000Z'],
  ['2026-01-01 10:00', '2026-01-01T10:00:00.000Z'],
  ['2026-01-01_10:00:00', '2026-01-01T10:00:00.000Z'],
  ['2026-01-01t10:00z', '2026-01-01T10:00:00.000Z'],
  ['2026-01-01T10:00:00,5Z', '2026-01-01T10:00:00.500Z'],
  ['2026-01-01T10:00:00.123456789', '2026-01-01T10:00:00.124Z'],
  ['2026-01-01T10:00:00+0130', '2026-01-01T08:30:00.000Z'],
  ['2026-01-01T10:00:00-23:59', '2026-01-02T09:59:00.000Z'],
  ['2026-01-01T10:00−01:00', '2026-01-01T11:00:00.000Z'],
  ['0', '1970-01-01T00:00:00.000Z'],
  ['-1', '1969-12-31T23:59:59.000Z'],
  ['+5', '1970-01-01T00:00:05.000Z'],
  ['.5', '1970-01-01T00:00:00.500Z'],
  ['20000000000', '2603-10-11T11:33:20.000Z'],
  ['20000000001', '1970-08-20T11:33:20.001Z'],
  ['1.0000001', '1970-01-01T00:00:01.000Z'],
  ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999Z'],
  ['0001-01-01T00:00+01:00', '0001-01-01T00:00:00.000Z'],
])('Pydantic parses %s as a time', (text, time) => expect(readOf(parseTime(text))).toBe(time))

const EXTRA = 'unexpected extra characters at the end of the input'

test.each([
  ['', 'input is too short'],
  ['2026-1-1', 'input is too short'],
  ['1e9', 'input is too short'],
  [' 2026-01-01', 'invalid character in year'],
  ['2026-0a-01', 'invalid character in month'],
  ['2026-01-0a', 'invalid character in day'],
  ['2026-01/01', 'invalid date separator, expected `-`'],
  ['99999999999999999999', 'invalid date separator, expected `-`'],
  ['2026-00-01', 'month value is outside expected range of 1-12'],
  ['2025-02-29', 'day value is outside expected range'],
  ['2026-01-01T10', EXTRA],
  ['2026-01-01T24:00:00', EXTRA],
  ['2026-01-01T10:00:60Z', EXTRA],
  ['2026-01-01T10:00:00+24:00', EXTRA],
  ['2026-01-01T10:00:00 01:00', EXTRA],
  ['2026-01-01T10:00:00Zx', EXTRA],
  ['999999999999999', 'dates after 9999 are not supported as unix timestamps'],
  ['0000-01-01', 'year 0 is out of range'],
])('Pydantic refuses "%s" as a time, with its reason', (text, error) => expect(readOf(parseTime(text))).toBe(error))

test.each([UUID, UUID.toUpperCase(), UUID.replaceAll('-', ''), `{${UUID}}`, `urn:uuid:${UUID}`])(
  '%s is a UUID',
  (text) => expect(parseUuid(text)).toEqual({ value: UUID }),
)

const group = (index: number, expected: number, found: number) =>
  `invalid group length in group ${index}: expected ${expected}, found ${found}`

test.each([
  ['', 'invalid length: expected length 32 for simple format, found 0'],
  ['not-a-uuid', 'invalid character: found `n` at 1'],
  ['497f6eca62764993bfeb53cbbbba6f0g', 'invalid character: found `g` at 32'],
  ['é', 'invalid character: found `é` at 1'],
  ['{497f6ecg-6276-4993-bfeb-53cbbbba6f08}', 'invalid character: found `g` at 8'],
  ['{497f6ecg62764993bfeb53cbbbba6f08}', 'invalid character: found `g` at 9'],
  ['urn:uuid:{}', 'invalid character: found `{` at 10'],
  [`URN:UUID:${UUID}`, 'invalid character: found `U` at 1'],
  ['{12}', 'invalid group count: expected 5, found 1'],
  ['497f6eca-62764993-bfeb-53cbbbba6f08', 'invalid group count: expected 5, found 4'],
  ['497f6eca-627-4993-bfeb-53cbbbba6f08', group(1, 4, 3)],
  [`${UUID}8`, group(4, 12, 13)],
])('Pydantic refuses "%s" as a UUID, with its reason', (text, error) => expect(readOf(parseUuid(text))).toBe(error))

test('Pydantic accepts integers with a sign, spaces, zeros and underscores', () => {
  const parse = parseInteger({ minimum: 0 })
  const read = ['5', ' 5 ', '+5', '007', '5.00', '1_000', '-0', '\u00a05'].map((text) => readOf(parse(text)))
  expect(read).toEqual([5, 5, 5, 7, 5, 1000, 0, 5])
  for (const text of ['', '5.5', '5.', '.5', '1e1', '1__0', '_1', '5_', '--5', '+ 5', '٣'])
    expect(parse(text), text).toMatchObject({ type: 'int_parsing' })
  expect(parse('-1')).toMatchObject({ type: 'greater_than_equal', ctx: { ge: 0 } })
})

test('an enum error of two values joins them with "or"', () => {
  expect(parseOneOf(['a', 'b'])('c')).toEqual({
    type: 'enum',
    msg: "Input should be 'a' or 'b'",
    ctx: { expected: "'a' or 'b'" },
  })
})
