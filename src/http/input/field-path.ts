import { cutText } from '#core/storable.ts'

// The path of a value inside JSON, the way people write it: `items[3].tags.env`.
const PLAIN = /^[A-Za-z_$][A-Za-z0-9_$-]*$/
// A path is shown, logged and returned, so clients do not get to decide how long it is.
const SEGMENTS_MAX = 12
const NAME_LENGTH_MAX = 64

export const WHOLE = 'body'

export function fieldPath(path: readonly (string | number)[]): string {
  if (path.length === 0) return WHOLE
  const shown = path.slice(0, SEGMENTS_MAX)
  const text = shown.map((part, index) => {
    if (typeof part === 'number') return `[${part}]`
    const name = part.length > NAME_LENGTH_MAX ? `${cutText(part, NAME_LENGTH_MAX)}…` : part
    // An unusual name is quoted, so that no control character gets into a log or a terminal.
    if (!PLAIN.test(part)) return `[${JSON.stringify(name)}]`
    return index === 0 ? name : `.${name}`
  })
  return text.join('') + (path.length > SEGMENTS_MAX ? '…' : '')
}

/** The same from a JSON pointer. A number is taken for an array index: pointers do not distinguish. */
export const pointerPath = (pointer: string, ...more: string[]): string =>
  fieldPath([
    ...pointer
      .split('/')
      .slice(1)
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
      .map((part) => (/^\d{1,9}$/.test(part) ? Number(part) : part)),
    ...more,
  ])
