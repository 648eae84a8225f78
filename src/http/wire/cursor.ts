// Cursors: opaque to clients, and bound to the kind of list that gave them out. They hold the sort key of the last
// item with its tie-breaker, so that rows sharing a timestamp are neither lost nor repeated.
import { INT_MAX } from '#contract/common.ts'
import { refuse } from '#core/error.ts'
import { instantText } from '#postgres/instant.ts'
import { isTime } from '../input/validation.ts'

export type CursorPart = string | number
type Pattern = { test: (text: string) => boolean }

export const encodeCursor = (list: string, parts: readonly CursorPart[]): string =>
  Buffer.from(JSON.stringify([list, ...parts])).toString('base64url')

/** The parts of a cursor of this list, checked against one pattern each; undefined without a cursor. */
export function decodeCursor(
  list: string,
  cursor: string | undefined,
  patterns: readonly Pattern[],
): string[] | undefined {
  if (cursor === undefined) return undefined
  try {
    const [kind, ...parts] = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as unknown[]
    const texts = parts.map(String)
    if (kind === list && texts.length === patterns.length && texts.every((text, index) => patterns[index]!.test(text)))
      return texts
  } catch {
    // Whatever it is, it is none of ours.
  }
  throw refuse('invalid_cursor', {})
}

const TIME_TEXT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/
/** A time with a calendar and a clock: a forged month 99 would be refused by the database, as a fault of ours. */
export const TIME: Pattern = { test: (text) => TIME_TEXT.test(text) && isTime(text) }
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const wholeUpTo = (max: number): Pattern => ({
  test: (text) => /^-?\d{1,16}$/.test(text) && Math.abs(Number(text)) <= max,
})
export const WHOLE = wholeUpTo(Number.MAX_SAFE_INTEGER)
/** For columns that are int. */
export const INT = wholeUpTo(INT_MAX)

export const TEXT = /^[^\0]{0,1024}$/s

/** The place of a row in a list by creation time, ties by id. */
export const createdKey = (row: { createdAt: Date; id: string }): readonly CursorPart[] => [
  instantText(row.createdAt),
  row.id,
]

/** The cursor of a list by creation time, ties by id. */
export function createdCursor(list: string, cursor: string | undefined): { createdAt: string; id: string } | undefined {
  const parts = decodeCursor(list, cursor, [TIME, UUID])
  return parts && { createdAt: parts[0]!, id: parts[1]! }
}

/**
 * A page of a list that was read with one row more than asked for: the row in excess tells that there is more.
 */
export function pageOf<Row, Wire>(
  rows: readonly Row[],
  limit: number,
  {
    wire,
    cursor,
    more = rows.length > limit,
  }: { wire: (row: Row) => Wire; cursor: (last: Row) => string; more?: boolean },
) {
  const page = rows.slice(0, limit)
  return { data: page.map(wire), next_cursor: more ? cursor(page.at(-1)!) : null, has_more: more }
}
