// Text from a server on its way to a terminal. It may hold escape sequences that move the cursor, change the title or
// write to the clipboard, so control characters are shown instead of sent, and so are the marks that reverse the
// direction of what follows.
const isUnsafe = (code: number): boolean =>
  code < 0x20 ||
  (code >= 0x7f && code <= 0x9f) ||
  (code >= 0x202a && code <= 0x202e) ||
  (code >= 0x2066 && code <= 0x2069) ||
  code === 0x2028 ||
  code === 0x2029

const hex = (code: number): string => `\\u${code.toString(16).padStart(4, '0')}`
const SHORT: ReadonlyMap<number, string> = new Map([
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0d, '\\r'],
])

/** One line: line breaks and tabs are shown as \n and \t. */
export const oneLine = (text: string): string => escaped(text, (code) => isUnsafe(code))

/** Several lines: line breaks and tabs stay. */
export const lines = (text: string): string =>
  escaped(text.replaceAll('\r\n', '\n'), (code) => code !== 0x0a && code !== 0x09 && isUnsafe(code))

/** JSON text stays the same JSON: what is unsafe stands inside strings, where an escape means the same. */
export const safeJson = (text: string): string => escaped(text, (code) => code >= 0x7f && isUnsafe(code), hex)

/** The beginning of a long text, never half of a character. */
export const begin = (text: string, lengthMax: number): string =>
  text.length <= lengthMax ? text : `${text.slice(0, lengthMax).replace(/[\ud800-\udbff]$/, '')}…`

function escaped(
  text: string,
  unsafe: (code: number) => boolean,
  write = (code: number) => SHORT.get(code) ?? hex(code),
) {
  let safe = ''
  let from = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (!unsafe(code)) continue
    safe += text.slice(from, at) + write(code)
    from = at + 1
  }
  return from === 0 ? text : safe + text.slice(from)
}
