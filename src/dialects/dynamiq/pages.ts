// Numbered pages, and the order of a list.
import { refuseField } from '#core/error.ts'

type Asked = { page: number; page_size: number }

/** A page this far back would cost a walk over everything before it. */
const REACH_MAX = 100_000

/** The offset of the page; undefined when it is past the last one. */
export function offsetOf({ page, page_size }: Asked, total: number): number | undefined {
  const offset = (page - 1) * page_size
  if (offset >= total) return undefined
  if (offset + page_size > REACH_MAX)
    throw refuseField('page', `reaches beyond ${REACH_MAX} items; ask for fewer with a filter, or in the other order`)
  return offset
}

export const pagination = ({ page, page_size }: Asked, total: number) => ({
  page,
  page_size,
  page_count: Math.ceil(total / page_size),
  total_count: total,
})

/** Whether the order is descending. All sortable fields of a list grow together, so the first one decides. */
export function isDescending(sort: string | undefined, fields: readonly string[], fallback: boolean): boolean {
  if (sort === undefined || sort === '') return fallback
  const named = sort.split(',').map((field) => field.trim())
  const unknown = named.find((field) => !fields.includes(field.replace(/^-/, '')))
  if (unknown !== undefined)
    throw refuseField('sort', `names ${unknown}; it takes ${fields.join(', ')}, each with a - before it or without`)
  return named[0]!.startsWith('-')
}
