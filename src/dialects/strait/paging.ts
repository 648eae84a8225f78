// Strait's lists are bare arrays. The next page is named by `Link` and `X-Next-Cursor`; a cursor is an opaque one of
// ours, which loses no row at the border of two pages, or the plain time that the product's own clients send.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type TProperties, Type } from 'typebox'
import { optional, text, withDefault } from '#contract/common.ts'
import { isTime } from '#http/input/validation.ts'
import { type CursorPart, createdCursor, decodeCursor, encodeCursor, TEXT, WHOLE } from '#http/wire/cursor.ts'
import { straitRefusal } from './wording.ts'

const LIMIT_MAX = 100

/** A query string; what Strait does not know in one it ignores. */
export const query = <P extends TProperties>(properties: P) => Type.Object(properties)
/** A body; what Strait does not know in one it ignores. */
export const bodyOf = <P extends TProperties>(properties: P) => Type.Object(properties)

export const paging = {
  limit: withDefault(
    Type.Integer({ minimum: 1, description: `Items on a page at most; above ${LIMIT_MAX} it is ${LIMIT_MAX}.` }),
    50,
  ),
  cursor: optional(text(512, 'X-Next-Cursor of the page before, or the created_at of its last item.')),
}

/** Which project is meant. It never widens what a key may see. */
const PROJECT_ID = text(256, 'The project of the key.', { minLength: 1 })
export const ofProject = { project_id: PROJECT_ID }
export const perhapsOfProject = { project_id: optional(PROJECT_ID) }

/** For reads: what is in another project is not there. */
export function checkProjectOfRead(projectId: string | undefined, caller: { projectId: string }): void {
  if (projectId !== undefined && projectId !== caller.projectId) throw straitRefusal(404, 'project not found')
}

/** For calls that change many things: a key does not reach beyond its project. */
export function checkProjectOfBulk(projectId: string | undefined, caller: { projectId: string }): void {
  if (projectId !== undefined && projectId !== caller.projectId)
    throw straitRefusal(403, 'project_id is not the project of this key')
}

/** As many as are read for a page: one more than it shows tells that there is another. */
export const shown = (limit: number): number => Math.min(limit, LIMIT_MAX)

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
  return { createdAt: cursor, id: order === 'newest' ? FIRST_ID : LAST_ID }
}

/** The place of a list by number. For a plain time, `numberAt` finds the number that stands there. */
export async function numberPlace(
  list: string,
  cursor: string | undefined,
  numberAt: (time: string) => Promise<number | undefined>,
): Promise<number | undefined> {
  if (cursor === undefined || cursor === '') return undefined
  if (isTime(cursor)) return numberAt(cursor)
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

export const createdKey = (row: { createdAt: Date; id: string }): readonly CursorPart[] => [
  row.createdAt.toISOString(),
  row.id,
]
