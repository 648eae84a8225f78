// The key of the event that a hook sends may depend on the call: `paid/{/data/object/id}` has the member of the body
// that a JSON Pointer (RFC 6901) leads to.
import { refuseField } from '#core/error.ts'
import { Json } from '#core/json/json.ts'
import { own } from '#core/own.ts'
import { storableText } from '#core/storable.ts'

const PLACE = /\{(\/[^{}]*)\}/g
const KEY_LENGTH_MAX = 512
const INDEX = /^(?:0|[1-9]\d{0,8})$/
const SCALAR = /^(?:[-\d]|true|false)/

export function eventKeyOf(template: string, json: Json | undefined): string {
  const key = template.replace(PLACE, (_, pointer: string) => memberText(json, pointer))
  if (key.length > KEY_LENGTH_MAX)
    throw refuseField('body', `makes the event key longer than ${KEY_LENGTH_MAX} characters`)
  return key
}

/** A number as it was written: no digit of an id is lost. */
function memberText(json: Json | undefined, pointer: string): string {
  let at: unknown = json
  for (const part of pointer.slice(1).split('/')) {
    if (!(at instanceof Json)) break
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    at = at.isObject ? own(at.members(), name) : INDEX.test(name) ? at.items()[Number(name)] : undefined
    if (at instanceof Json && at.text.startsWith('"')) at = at.value
  }
  const text = at instanceof Json && SCALAR.test(at.text) ? at.text : at
  if (text === '') throw refuseField('body', `has an empty text at ${pointer}, which the event key needs`)
  if (typeof text === 'string' || typeof text === 'boolean') return storableText(String(text))
  throw refuseField('body', `has no text or number at ${pointer}, which the event key needs`)
}
