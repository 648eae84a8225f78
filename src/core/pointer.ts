// JSON Pointers (RFC 6901) into what clients sent.

import { Json } from './json/json.ts'
import { own } from './own.ts'
import { storableText } from './storable.ts'

const INDEX = /^(?:0|[1-9]\d{0,8})$/
const SCALAR = /^(?:[-\d]|true|false)/

/**
 * The text, number or boolean that the pointer leads to, as text; undefined where there is none. A number as it was
 * written: no digit of an id is lost.
 */
export function scalarAt(json: Json | undefined, pointer: string): string | undefined {
  let at: unknown = json
  for (const part of pointer.slice(1).split('/')) {
    if (!(at instanceof Json)) return undefined
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    at = at.isObject ? own(at.members(), name) : INDEX.test(name) ? at.items()[Number(name)] : undefined
    if (at instanceof Json && at.text.startsWith('"')) at = at.value
  }
  const found = at instanceof Json && SCALAR.test(at.text) ? at.text : at
  return typeof found === 'string' || typeof found === 'boolean' ? storableText(String(found)) : undefined
}
