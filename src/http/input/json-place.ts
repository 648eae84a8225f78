// Finds where a text stops being JSON. JSON.parse reports the position of most errors; for an unexpected token it only
// quotes the surrounding text, so the tokens are scanned again here.

// Strings are matched loosely: JSON.parse does report the position of a bad escape or character inside one.
const TOKEN =
  /[ \t\r\n]*(?:([{}[\],:])|("(?:[^"\\]|\\.)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/sy
const SPACE = /[ \t\r\n]*/y

/** What may follow a token depends only on the token before it and on the enclosing bracket. */
export function placeOfError(text: string): number {
  const open: string[] = []
  let before = 'start'
  let at = 0
  while (true) {
    SPACE.lastIndex = at
    const start = at + SPACE.exec(text)![0].length
    TOKEN.lastIndex = at
    const [all = '', mark, scalar = ''] = TOKEN.exec(text) ?? []
    const kind = mark ?? (scalar.startsWith('"') ? 'string' : 'scalar')
    if (all === '' || !mayFollow(before, kind, open.at(-1))) return start
    const isKey = kind === 'string' && open.at(-1) === '{' && before !== ':'
    if (mark === '{' || mark === '[') open.push(mark)
    if (mark === '}' || mark === ']') open.pop()
    before = isKey ? 'key' : mark && mark !== '}' && mark !== ']' ? mark : 'value'
    at += all.length
  }
}

function mayFollow(before: string, kind: string, inside: string | undefined): boolean {
  const isValue = kind === 'string' || kind === 'scalar' || kind === '{' || kind === '['
  switch (before) {
    case 'key':
      return kind === ':'
    case 'value':
      return inside === '{' ? kind === ',' || kind === '}' : inside === '[' && (kind === ',' || kind === ']')
    case '{':
      return kind === 'string' || kind === '}'
    case '[':
      return isValue || kind === ']'
    case ',':
      return inside === '{' ? kind === 'string' : isValue
    default:
      return isValue
  }
}
