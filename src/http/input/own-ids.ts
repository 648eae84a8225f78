// Ids of ours are UUIDs, and RFC 9562 lets anybody write them in upper case. They are normalised once, as they come in:
// behind that, ids are compared as text in many places.
import type { FuncKeywordDefinition } from 'ajv'
import { normalizeId } from '#postgres/id.ts'

/** For every validator of requests: a text that the contract marks as an id of ours is handed on in lower case. */
export const OWN_ID: FuncKeywordDefinition = {
  keyword: 'x-own-id',
  schemaType: 'boolean',
  modifying: true,
  validate: (_: boolean, value: unknown, __, at) => {
    if (at && typeof value === 'string') at.parentData[at.parentDataProperty] = normalizeId(value)
    return true
  },
}
