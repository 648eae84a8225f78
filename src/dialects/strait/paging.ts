// Strait's lists are bare arrays. The next page is named by `Link` and `X-Next-Cursor`; a cursor is an opaque one of
// ours, which loses no row at the border of two pages, or the plain time that the product's own clients send.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type TObjectOptions, type TProperties, Type } from 'typebox'
import { optional, text, withDefault } from '#contract/common.ts'
import { isTime } from '#http/input/validation.ts'
import { type CursorPart, createdCursor, decodeCursor, encodeCursor, TEXT, WHOLE } from '#http/wire/cursor.ts'
import { instantText } from '#postgres/instant.ts'
import type { Moment } from '#run-state/read/run-places.sql.ts'
import { straitRefusal } from './wording.ts'

const LIMIT_MAX = 100
const PAGE_SIZE = 50

/** A query string. A parameter that is not known is refused: a filter that is passed over shows, or cancels, too much. */
export const query = <P extends TProperties>(properties: P, more: TObjectOptions = {}) =>
  Type.Object(properties, { ...more, additionalProperties: false })
/** A body; what Strait does not know in one it ignores. */
export const bodyOf = <P extends TProperties>(properties: P) => Type.Object(properties)

export const paging = {
  limit: withDefault(
    Type.Integer({
      minimum: 1,
      description: `Maximum number of items per page; values above ${LIMIT_MAX} mean ${LIMIT_MAX}.`,
    }),
    PAGE_SIZE,
  ),
  cursor: optional(text(512, 'X-Next-Cursor of the previous page, or the created_at of its last item.')),
}

/** Of lists under a run: no client of the product reads our cursors, so the whole list is the answer by itself. */
export const wholeList = {
  limit: optional(
    Type.Integer({
      minimum: 1,
      description: `Maximum number of items per page; values above ${LIMIT_MAX} mean ${LIMIT_MAX}. Without limit and cursor, the whole list is returned, up to the limits of a debug bundle.`,
    }),
  ),
  cursor: paging.cursor,
}

/** Which project is meant: that of the key, named or not. It never widens what a key may see. */
export const ofProject = { project_id: optional(text(256, "The key's project, which is also the default.")) }

/** For reads: what is in another project is not there. */
export function checkProjectOfRead(projectId: string | undefined, caller: { projectId: string }): void {
  if (projectId && projectId !== caller.projectId) throw straitRefusal(404, 'project not found')
}

/** For calls that change many things: a key does not reach beyond its project. */
export function checkProjectOfBulk(projectId: string | undefined, caller: { projectId: string }): void {
  if (projectId && projectId !== caller.projectId) throw straitRefusal(403, 'project_id is not the project of this key')
}

/** As many as are read for a page: one more than it shows tells that there is another. */
export const shown = (limit: number = PAGE_SIZE): number => Math.min(limit, LIMIT_MAX)

/** Whether the whole of a list under a run is asked for, and no page of it. */
export const isWhole = ({ limit, cursor }: { limit?: number | undefined; cursor?: string | undefined }): boolean =>
  limit === undefined && !cursor

const FIRST_ID = '00000000-0000-0000-0000-000000000000'
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/** The place of a list by creation time. A plain time means: strictly beyond it. */
export function createdPlace(
  list: string,
  cursor: string | undefined,
  order: 'newest' | 'oldest',
): { createdAt: string; id: string } | undefined {
  if (cursor === undefined || cursor === '') return undefined
  if (!isTime(cursor)) return createdCursor(list, cursor)
  if (order === 'newest') return { createdAt: cursor, id: FIRST_ID }
  // A client that knows milliseconds alone has seen what is in that one.
  const isCoarse = !/\.\d{4}/.test(cursor)
  return { createdAt: isCoarse ? `${new Date(cursor).toISOString().slice(0, -1)}999Z` : cursor, id: LAST_ID }
}

/** So many rows of one time are put on one page, beyond its limit. */
const TIES_MAX = 1_000

/**
 * Reads a page that does not end among rows of one time: a client that goes on from that time would lose the others.
 * The limit that comes back is that of this page.
 */
export async function untied<Row extends { createdAt: Date }>(
  limit: number,
  read: (count: number) => Promise<Row[]>,
): Promise<{ rows: Row[]; limit: number }> {
  const rows = await read(limit + 1)
  if (!isTied(rows, limit)) return { rows, limit }
  const more = await read(limit + 1 + TIES_MAX)
  let end = limit
  while (isTied(more, end)) end++
  return { rows: more, limit: end }
}

const isTied = (rows: readonly { createdAt: Date }[], end: number): boolean =>
  rows[end] !== undefined && instantText(rows[end - 1]!.createdAt) === instantText(rows[end]!.createdAt)

const DIGITS = 6
const NUMBERS = 10 ** DIGITS

/**
 * The time of a record of a list that goes by number. Many records share a millisecond, so the digits below it are
 * the number's own: a client that goes on from a time means one record by it.
 */
export const numberedTime = (at: Date, number: number): string =>
  `${at.toISOString().slice(0, -1)}${String(number % NUMBERS).padStart(DIGITS, '0')}Z`

/** A plain time as a cursor; `digits` are of the number that it was made with. */
function momentOf(cursor: string): Moment {
  const fraction = /\.(\d+)/.exec(cursor)?.[1] ?? ''
  return {
    time: new Date(cursor).toISOString(),
    // Clients leave out zeros at the end.
    ...(fraction.length > 3 && { digits: Number(fraction.padEnd(3 + DIGITS, '0').slice(3)), digitsOf: NUMBERS }),
  }
}

/** The place of a list by number. For a plain time, `numberAt` finds the number that stands there. */
export async function numberPlace(
  list: string,
  cursor: string | undefined,
  numberAt: (moment: Moment) => Promise<number | undefined>,
): Promise<number | undefined> {
  if (cursor === undefined || cursor === '') return undefined
  if (isTime(cursor)) return numberAt(momentOf(cursor))
  return Number(decodeCursor(list, cursor, [WHOLE])![0])
}

/** The place of a list by name. */
export const namePlace = (list: string, cursor: string | undefined): string | undefined =>
  cursor === undefined || cursor === '' ? undefined : decodeCursor(list, cursor, [TEXT])![0]

type Page<Row> = {
  /** Read with one more than `limit`, or with a word that there are more. */
  rows: readonly Row[]
  limit: number
  more?: boolean
  /** The list that the cursor is of, and the sort key of its last row. */
  list: string
  place: (last: Row) => readonly CursorPart[]
}

/** The rows of a page; the reply's headers tell where the next one begins. */
export function pageOf<Row>(request: FastifyRequest, reply: FastifyReply, page: Page<Row>): Row[] {
  const rows = page.rows.slice(0, page.limit)
  const last = rows.at(-1)
  if (last === undefined || !(page.more ?? page.rows.length > page.limit)) return rows
  nameNext(request, reply, encodeCursor(page.list, page.place(last)))
  return rows
}

/** Tells where the next page begins. */
export function nameNext(request: FastifyRequest, reply: FastifyReply, cursor: string): void {
  const [path, search] = request.url.split('?', 2)
  const params = new URLSearchParams(search)
  params.set('cursor', cursor)
  reply.header('link', `<${path}?${params}>; rel="next"`).header('x-next-cursor', cursor)
}
