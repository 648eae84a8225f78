// JSON as text. Replies are printed as the server wrote them: a number with more digits than a JavaScript number holds,
// or the order of the keys, would be lost by parsing and printing.

/** The index after the string that begins at `from`. */
function endOfString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '"') return at + 1
  }
  return text.length
}

const isSpace = (char: string): boolean => char === ' ' || char === '\n' || char === '\t' || char === '\r'

/** The same JSON over several lines, two spaces for each level. */
export function indentJson(text: string): string {
  let out = ''
  let depth = 0
  const newLine = () => `\n${'  '.repeat(depth)}`
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!
    if (isSpace(char)) continue
    if (char === '"') {
      const end = endOfString(text, at)
      out += text.slice(at, end)
      at = end - 1
    } else if (char === '{' || char === '[') {
      const close = afterSpaces(text, at + 1)
      if (text[close] === '}' || text[close] === ']') {
        out += char + text[close]
        at = close
        continue
      }
      depth++
      out += char + newLine()
    } else if (char === '}' || char === ']') {
      depth--
      out += newLine() + char
    } else if (char === ',') out += char + newLine()
    else out += char === ':' ? ': ' : char
  }
  return out
}

function afterSpaces(text: string, from: number): number {
  let at = from
  while (at < text.length && isSpace(text[at]!)) at++
  return at
}

type Member = { key: string; value: string }

/** The members of the object, or the items of the array, that `text` is: each with its own text. */
function membersOf(text: string): Member[] {
  const members: Member[] = []
  let key = ''
  let depth = 0
  let from = -1
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!
    if (char === '"') {
      const end = endOfString(text, at)
      if (depth === 1 && from < 0) {
        const colon = afterSpaces(text, end)
        if (text[colon] === ':') {
          key = JSON.parse(text.slice(at, end)) as string
          at = colon
          continue
        }
        from = at
      }
      at = end - 1
      continue
    }
    if (isSpace(char)) continue
    const closes = char === '}' || char === ']'
    if (depth === 1 && (closes || char === ',')) {
      if (from >= 0) members.push({ key, value: text.slice(from, at).trimEnd() })
      from = -1
    } else if (depth === 1 && from < 0) from = at
    if (char === '{' || char === '[') depth++
    else if (closes) depth--
  }
  return members
}

/** The text of one member of an object; undefined when it has none of that name. */
export const memberText = (text: string, key: string): string | undefined =>
  membersOf(text).findLast((member) => member.key === key)?.value

/** The texts of the items of a list. */
export const itemTexts = (text: string): string[] => membersOf(text).map(({ value }) => value)

/** The object that `text` is, with one more member, whose value is JSON text as well. */
export function withMember(text: string, key: string, value: string): string {
  const inner = text.trim().slice(1, -1).trim()
  return `{${inner}${inner === '' ? '' : ','}${JSON.stringify(key)}:${value}}`
}
