// The text of JSON as it was written: where its values begin and end, and how it is made one line. All of it expects
// text that JSON.parse has accepted, and a position that is no white space.

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c

const isSpace = (char: number): boolean => char === 0x20 || (char >= 0x09 && char <= 0x0d)
const opens = (char: number): boolean => char === 0x7b || char === 0x5b
const closes = (char: number): boolean => char === 0x7d || char === 0x5d

/** Position of the quote that ends the string that begins at `start`. */
export function endOfString(text: string, start: number): number {
  let end = start
  let escapes: number
  do {
    end = text.indexOf('"', end + 1)
    escapes = 0
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes++
  } while (escapes % 2 === 1)
  return end
}

/** Position behind the value that begins at `start`. */
function endOfValue(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === QUOTE) at = endOfString(text, at)
    else if (opens(char)) depth++
    else if (closes(char)) depth--
    else if (depth > 0 || !(char === COMMA || isSpace(char))) continue
    else return at
    if (depth < 0) return at
    if (depth === 0) return at + 1
  }
  return text.length
}

export function skipSpace(text: string, start: number): number {
  let at = start
  while (isSpace(text.charCodeAt(at))) at++
  return at
}

/** The text of one part of an object or a list, and what that part is called there. */
type Part<Name> = (name: Name, from: number, to: number) => void

/** Tells each member of the object that begins at `start`, in the order in which they were written. */
export function eachMember(text: string, start: number, tell: Part<string>): void {
  let at = skipSpace(text, start + 1)
  while (text.charCodeAt(at) === QUOTE) {
    const endOfName = endOfString(text, at)
    const name = JSON.parse(text.slice(at, endOfName + 1)) as string
    const from = skipSpace(text, skipSpace(text, endOfName + 1) + 1)
    const to = endOfValue(text, from)
    tell(name, from, to)
    at = nextPart(text, to)
  }
}

/** The same of a list. */
export function eachItem(text: string, start: number, tell: Part<number>): void {
  let at = skipSpace(text, start + 1)
  for (let index = 0; !closes(text.charCodeAt(at)); index++) {
    const to = endOfValue(text, at)
    tell(index, at, to)
    at = nextPart(text, to)
  }
}

function nextPart(text: string, end: number): number {
  const at = skipSpace(text, end)
  return text.charCodeAt(at) === COMMA ? skipSpace(text, at + 1) : at
}

/** Without the white space between its values, so that it is one line wherever it is put. */
export function compactJson(text: string): string {
  if (!/\s/.test(text)) return text
  let compact = ''
  let from = 0
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === QUOTE) at = endOfString(text, at)
    else if (isSpace(char)) {
      compact += text.slice(from, at)
      from = at + 1
    }
  }
  return compact + text.slice(from)
}

/** One line of JSON on many, for people: what JSON.stringify writes with an indentation of two spaces. */
export function prettyJson(line: string): string {
  let pretty = ''
  let depth = 0
  const nextLine = () => `\n${'  '.repeat(depth)}`
  for (let at = 0; at < line.length; at++) {
    const char = line.charCodeAt(at)
    const sign = line.charAt(at)
    if (char === QUOTE) {
      const end = endOfString(line, at)
      pretty += line.slice(at, end + 1)
      at = end
    } else if (opens(char) && closes(line.charCodeAt(at + 1))) {
      pretty += sign + line.charAt(++at)
    } else if (opens(char)) {
      depth++
      pretty += sign + nextLine()
    } else if (closes(char)) {
      depth--
      pretty += nextLine() + sign
    } else if (char === COMMA) pretty += sign + nextLine()
    else pretty += sign === ':' ? ': ' : sign
  }
  return pretty
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/

/** A number as its digits, none of them a zero at an end, and the power of ten that they count. */
type Decimal = { sign: string; digits: string; exponent: number; places: number }

function decimalOf(number: string): Decimal | undefined {
  const [all, sign = '', whole = '', fraction = '', power = '0'] = NUMBER.exec(number) ?? []
  if (all === undefined) return undefined
  const written = `${whole}${fraction}`.replace(/^0+/, '')
  const digits = written.replace(/0+$/, '')
  if (digits === '') return { sign: '', digits, exponent: 0, places: fraction.length - Number(power) }
  const exponent = Number(power) - fraction.length + (written.length - digits.length)
  return { sign, digits, exponent, places: fraction.length - Number(power) }
}

/** Equal numbers have equal text, however they were written. One that a double holds is written as JavaScript does. */
export function canonicalNumber(number: string): string {
  const it = decimalOf(number)
  if (!it) return number
  const double = JSON.stringify(Number(number))
  const held = decimalOf(double)
  if (held && held.digits === it.digits && held.exponent === it.exponent && held.sign === it.sign) return double
  return `${it.sign}${it.digits}e${it.exponent}`
}

/** What `numeric` of PostgreSQL holds, by which numbers are compared in searches. */
const WHOLE_DIGITS_MAX = 131_072
const PLACES_MAX = 16_383
export const TOO_MANY_DIGITS = `with more than ${WHOLE_DIGITS_MAX} digits before or ${PLACES_MAX} after its decimal point`

/** A number with more digits before or behind its point than PostgreSQL could compare it by. */
export function hasHugeNumber(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === QUOTE) at = endOfString(text, at)
    else if (isNumberStart(char)) {
      const end = endOfValue(text, at)
      if (isHuge(text.slice(at, end))) return true
      at = end - 1
    }
  }
  return false
}

const isNumberStart = (char: number): boolean => char === 0x2d || (char >= 0x30 && char <= 0x39)

function isHuge(number: string): boolean {
  const it = decimalOf(number)
  return it !== undefined && (it.places > PLACES_MAX || it.digits.length + it.exponent > WHOLE_DIGITS_MAX)
}
