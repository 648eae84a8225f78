// The key of the event that a hook sends may depend on the call: `paid/{/data/object/id}` has the member of the body
// that a JSON Pointer (RFC 6901) leads to.
import { refuseField } from '#core/error.ts'
import type { Json } from '#core/json/json.ts'
import { scalarAt } from '#core/pointer.ts'

const PLACE = /\{(\/[^{}]*)\}/g
const KEY_LENGTH_MAX = 512

export function eventKeyOf(template: string, json: Json | undefined): string {
  const key = template.replace(PLACE, (_, pointer: string) => memberText(json, pointer))
  if (key.length > KEY_LENGTH_MAX)
    throw refuseField('body', `makes the event key longer than ${KEY_LENGTH_MAX} characters`)
  return key
}

function memberText(json: Json | undefined, pointer: string): string {
  const text = scalarAt(json, pointer)
  if (text === '') throw refuseField('body', `has an empty text at ${pointer}, which the event key needs`)
  if (text === undefined) throw refuseField('body', `has no text or number at ${pointer}, which the event key needs`)
  return text
}
