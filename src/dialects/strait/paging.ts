// Strait's lists are bare arrays. `Link` and `X-Next-Cursor` name the next page; a cursor is an opaque one of
// ours, which loses no row between two pages, or the plain time that Strait's own clients send.
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

/** A query string. Unknown parameters are refused: an ignored filter would show, or cancel, too much. */
export const query = <P extends TProperties>(properties: P, more: TObjectOptions = {}) =>
  Type.Object(properties, { ...more, additionalProperties: false })
/** A body; unknown fields are ignored. */
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

/** For lists under a run: no client of Strait reads cursors here, so by default the whole list is returned. */
export const wholeList = {
  limit: optional(
    Type.Integer({
      minimum: 1,
      description: `Maximum number of items per page; values above ${LIMIT_MAX} mean ${LIMIT_MAX}. Without limit and cursor, the whole list is returned, up to the limits of a debug bundle.`,
    }),
  ),
  cursor: paging.cursor,
}

/** The project: that of the key, named or not. It never widens what a key may see. */
export const ofProject = { project_id: optional(text(256, "The key's project, which is also the default.")) }

/** For reads: resources of another project are not found. */
export function checkProjectOfRead(projectId: string | undefined, caller: { projectId: string }): void {
  if (projectId && projectId !== caller.projectId) throw straitRefusal(404, 'project not found')
}

/** For calls that change many things: a key cannot reach beyond its project. */
export function checkProjectOfBulk(projectId: string | undefined, caller: { projectId: string }): void {
  if (projectId && projectId !== caller.projectId) throw straitRefusal(403, 'project_id is not the project of this key')
}

/** Rows to read for a page: one more than it shows, which reveals whether there is another page. */
export const shown = (limit: number = PAGE_SIZE): number => Math.min(limit, LIMIT_MAX)

/** Whether the whole of a list under a run is requested, instead of a page. */
export const isWhole = ({ limit, cursor }: { limit?: number | undefined; cursor?: string | undefined }): boolean =>
  limit === undefined && !cursor

const FIRST_ID = '00000000-0000-0000-0000-000000000000'
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/** The cursor of a list by creation time. A plain time means: strictly beyond it. */
export function createdPlace(
  list: string,
  cursor: string | undefined,
  order: 'newest' | 'oldest',
): { createdAt: string; id: string } | undefined {
  if (cursor === undefined || cursor === '') return undefined
  if (!isTime(cursor)) return createdCursor(list, cursor)
  if (order === 'newest') return { createdAt: cursor, id: FIRST_ID }
  // A client with millisecond precision has seen everything within that millisecond.
  const isCoarse = !/\.\d{4}/.test(cursor)
  return { createdAt: isCoarse ? `${new Date(cursor).toISOString().slice(0, -1)}999Z` : cursor, id: LAST_ID }
}

/** Maximum number of rows with the same time that extend a page beyond its limit. */
const TIES_MAX = 1_000

/**
 * Reads a page that does not end among rows with the same time: a client that continues from that time would lose the
 * others. Returns the limit of this page.
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
 * The time of a record in a list by number. Many records share a millisecond, so the digits below it are
 * the number's: a client that continues from a time thereby names one record.
 */
export const numberedTime = (at: Date, number: number): string =>
  `${at.toISOString().slice(0, -1)}${String(number % NUMBERS).padStart(DIGITS, '0')}Z`

/** A plain time as a cursor; `digits` are those of its number. */
function momentOf(cursor: string): Moment {
  const fraction = /\.(\d+)/.exec(cursor)?.[1] ?? ''
  return {
    time: new Date(cursor).toISOString(),
    // Clients omit trailing zeros.
    ...(fraction.length > 3 && { digits: Number(fraction.padEnd(3 + DIGITS, '0').slice(3)), digitsOf: NUMBERS }),
  }
}

/** The cursor of a list by number. For a plain time, `numberAt` finds the number. */
export async function numberPlace(
  list: string,
  cursor: string | undefined,
  numberAt: (moment: Moment) => Promise<number | undefined>,
): Promise<number | undefined> {
  if (cursor === undefined || cursor === '') return undefined
  if (isTime(cursor)) return numberAt(momentOf(cursor))
  return Number(decodeCursor(list, cursor, [WHOLE])![0])
}

/** The cursor of a list by name. */
export const namePlace = (list: string, cursor: string | undefined): string | undefined =>
  cursor === undefined || cursor === '' ? undefined : decodeCursor(list, cursor, [TEXT])![0]

type Page<Row> = {
  /** Read with one more than `limit`, or with a flag that there are more. */
  rows: readonly Row[]
  limit: number
  more?: boolean
  /** Name of the list for the cursor, and the sort key of its last row. */
  list: string
  place: (last: Row) => readonly CursorPart[]
}

/** The rows of a page; sets the headers that say where the next one begins. */
export function pageOf<Row>(request: FastifyRequest, reply: FastifyReply, page: Page<Row>): Row[] {
  const rows = page.rows.slice(0, page.limit)
  const last = rows.at(-1)
  if (last === undefined || !(page.more ?? page.rows.length > page.limit)) return rows
  nameNext(request, reply, encodeCursor(page.list, page.place(last)))
  return rows
}

/** Sets the headers for the next page. */
export function nameNext(request: FastifyRequest, reply: FastifyReply, cursor: string): void {
  const [path, search] = request.url.split('?', 2)
  const params = new URLSearchParams(search)
  params.set('cursor', cursor)
  reply.header('link', `<${path}?${params}>; rel="next"`).header('x-next-cursor', cursor)
}
