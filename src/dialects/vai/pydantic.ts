// Parses text into values like Pydantic 2, with its messages for what it cannot parse. Clients show these messages,
// and branch on the types.

export type Unreadable = { type: string; msg: string; ctx?: Record<string, unknown> }
export type Parse = (text: string) => { value: unknown } | Unreadable

const WHOLE = /^\s*([+-]?\d+(?:_\d+)*)(?:\.0+)?\s*$/

export const parseInteger =
  ({ minimum, maximum = Number.MAX_SAFE_INTEGER }: { minimum?: number; maximum?: number }): Parse =>
  (text) => {
    const digits = WHOLE.exec(text)?.[1]
    if (digits === undefined)
      return { type: 'int_parsing', msg: 'Input should be a valid integer, unable to parse string as an integer' }
    const value = Number(digits.replaceAll('_', ''))
    if (minimum !== undefined && value < minimum) return tooSmall(minimum)
    if (value > maximum) return tooLarge(maximum)
    return { value: value + 0 }
  }

const tooSmall = (ge: number): Unreadable => ({
  type: 'greater_than_equal',
  msg: `Input should be greater than or equal to ${ge}`,
  ctx: { ge },
})
const tooLarge = (le: number): Unreadable => ({
  type: 'less_than_equal',
  msg: `Input should be less than or equal to ${le}`,
  ctx: { le },
})

export const parseOneOf =
  (values: readonly string[]): Parse =>
  (text) => {
    if (values.includes(text)) return { value: text }
    const quoted = values.map((value) => `'${value}'`)
    const expected = [quoted.slice(0, -1).join(', '), quoted.at(-1)].join(' or ')
    return { type: 'enum', msg: `Input should be ${expected}`, ctx: { expected } }
  }

const HYPHENATED = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const UUID = new RegExp(`^(?:[0-9a-f]{32}|${HYPHENATED}|\\{${HYPHENATED}\\})$`, 'i')
const URN = /^urn:uuid:/

export const parseUuid: Parse = (text) => {
  const bare = text.replace(URN, '')
  if (UUID.test(bare) && (bare === text || bare.length === 36)) {
    const hex = bare.replaceAll(/[^0-9a-f]/gi, '').toLowerCase()
    return { value: [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-') }
  }
  const error = uuidFlaw(text)
  return { type: 'uuid_parsing', msg: `Input should be a valid UUID, ${error}`, ctx: { error } }
}

const GROUPS = [8, 4, 4, 4, 12] as const

function uuidFlaw(text: string): string {
  const [, urn, braced] = /^(?:(urn:uuid:)|(\{)(?=.*\}$))/s.exec(text) ?? []
  const before = urn?.length ?? braced?.length ?? 0
  const inner = text.slice(before, braced ? -1 : undefined)
  const odd = /[^0-9a-fA-F-]/u.exec(inner)
  // In text of the length of a UUID, positions are counted after its prefix.
  const skipped = Buffer.byteLength(inner) === 36 ? 0 : before
  if (odd) return `invalid character: found \`${odd[0]}\` at ${odd.index + skipped + 1}`
  const groups = inner.split('-')
  if (groups.length === 1 && before === 0)
    return `invalid length: expected length 32 for simple format, found ${text.length}`
  if (groups.length !== 5) return `invalid group count: expected 5, found ${groups.length}`
  const short = groups.slice(0, 4).findIndex((group, index) => group.length !== GROUPS[index])
  if (short >= 0)
    return `invalid group length in group ${short}: expected ${GROUPS[short]}, found ${groups[short]!.length}`
  return `invalid group length in group 4: expected 12, found ${text.length - 24}`
}

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)$/
const TIME =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt _]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:[.,](\d+))?)?(?:[Zz]|([+\-−])([01]\d|2[0-3]):?([0-5]\d))?)?$/
/** Numbers above this are milliseconds, others seconds. */
const SECONDS_MAX = 20_000_000_000
/** Pydantic does not accept numbers from here on as Unix time either. */
const INT64 = 2 ** 63
const FIRST_MS = Date.parse('0001-01-01T00:00:00Z')
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z')

/** RFC 3339 or a part of it, in UTC by default, or a Unix time. The value is RFC 3339. */
export const parseTime: Parse = (text) => {
  if (NUMBER.test(text) && Math.abs(Number(text)) < INT64) return unixTime(Number(text))
  const flaw = dateFlaw(text)
  if (flaw) return unreadableTime(flaw)
  const found = TIME.exec(text)
  if (!found) return unreadableTime('unexpected extra characters at the end of the input')
  const [, year, month, day, hour = 0, minute = 0, second = 0, fraction = '', sign, zoneHour = 0, zoneMinute = 0] =
    found
  if (Number(year) === 0) return YEAR_ZERO
  const at = new Date(0)
  at.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  at.setUTCHours(Number(hour), Number(minute), Number(second))
  const zoneMs = (Number(zoneHour) * 60 + Number(zoneMinute)) * 60_000 * (sign === undefined || sign === '+' ? 1 : -1)
  // Events have milliseconds: those at or after a finer time are those at or after the next millisecond.
  return timeAt(at.getTime() - zoneMs + Math.ceil(Number(fraction.slice(0, 6).padEnd(6, '0')) / 1000))
}

const YEAR_ZERO: Unreadable = {
  type: 'datetime_parsing',
  msg: 'Input should be a valid datetime, year 0 is out of range',
  ctx: { error: 'year 0 is out of range' },
}

function unixTime(number: number) {
  const micros = Math.round(number * (Math.abs(number) > SECONDS_MAX ? 1e3 : 1e6))
  const ms = Math.ceil(micros / 1000)
  if (ms > LAST_MS) return unreadableTime('dates after 9999 are not supported as unix timestamps')
  return ms < FIRST_MS ? YEAR_ZERO : timeAt(ms)
}

const timeAt = (ms: number) => ({ value: new Date(Math.min(Math.max(ms, FIRST_MS), LAST_MS)).toISOString() })

const unreadableTime = (error: string): Unreadable => ({
  type: 'datetime_from_date_parsing',
  msg: `Input should be a valid datetime or date, ${error}`,
  ctx: { error },
})

/** What is wrong with the date that a text must begin with. */
function dateFlaw(text: string): string | undefined {
  if (Buffer.byteLength(text) < 10) return 'input is too short'
  const part = (from: number, to: number) => text.slice(from, to)
  if (!/^\d{4}$/.test(part(0, 4))) return 'invalid character in year'
  if (text[4] !== '-') return 'invalid date separator, expected `-`'
  if (!/^\d\d$/.test(part(5, 7))) return 'invalid character in month'
  if (text[7] !== '-') return 'invalid date separator, expected `-`'
  if (!/^\d\d$/.test(part(8, 10))) return 'invalid character in day'
  const [year, month, day] = [Number(part(0, 4)), Number(part(5, 7)), Number(part(8, 10))]
  if (month < 1 || month > 12) return 'month value is outside expected range of 1-12'
  const last = new Date(0)
  last.setUTCFullYear(year, month, 0)
  return day < 1 || day > last.getUTCDate() ? 'day value is outside expected range' : undefined
}
