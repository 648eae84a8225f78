// The key of the event that a hook sends may depend on the call: `paid/{/data/object/id}` has the member of the body
// that a JSON Pointer (RFC 6901) leads to.
import { refuseField } from '#core/error.ts'

const PLACE = /\{(\/[^{}]*)\}/g
const KEY_LENGTH_MAX = 512

export function eventKeyOf(template: string, json: unknown): string {
  const key = template.replace(PLACE, (_, pointer: string) => memberText(json, pointer))
  if (key.length > KEY_LENGTH_MAX)
    throw refuseField('body', `makes the event key longer than ${KEY_LENGTH_MAX} characters`)
  return key
}

function memberText(json: unknown, pointer: string): string {
  let at = json
  for (const part of pointer.slice(1).split('/')) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    at = typeof at === 'object' && at !== null && Object.hasOwn(at, name) ? Reflect.get(at, name) : undefined
  }
  if (typeof at === 'string' || typeof at === 'number' || typeof at === 'boolean') return String(at)
  throw refuseField('body', `has no text or number at ${pointer}, which the event key needs`)
}
