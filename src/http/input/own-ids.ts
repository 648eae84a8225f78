// Our ids are UUIDs, and RFC 9562 allows upper case. They are normalised once, on input: after
// that, ids are compared as text in many places.
import type { FuncKeywordDefinition } from 'ajv'
import { normalizeId } from '#postgres/id.ts'

/** For every request validator: text that the contract marks as one of our ids is converted to lower case. */
export const OWN_ID: FuncKeywordDefinition = {
  keyword: 'x-own-id',
  schemaType: 'boolean',
  modifying: true,
  validate: (_: boolean, value: unknown, __, at) => {
    if (at && typeof value === 'string') at.parentData[at.parentDataProperty] = normalizeId(value)
    return true
  },
}
