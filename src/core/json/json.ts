// JSON that is kept and given on as it was written. Parsed and written again, a number loses the digits that a double
// cannot hold, and an object the order of some of its keys; so what belongs to clients is carried as its text, from
// the body of a request through the database to the body of a reply, and parsed only by who looks into it.
import { compactJson, eachItem, eachMember } from './json-text.ts'

export class Json {
  /** One line. */
  readonly #text: string
  #value: unknown

  private constructor(text: string, value: unknown) {
    this.#text = text
    this.#value = value
  }

  /** JSON that somebody else wrote, and what JSON.parse makes of it where that is known. */
  static written(text: string, value?: unknown): Json {
    return new Json(compactJson(text), value)
  }

  /** As PostgreSQL gives it back: it was made one line before it was stored. */
  static stored(text: string): Json {
    return new Json(text, undefined)
  }

  /** The JSON of a value, which may be JSON already, or hold some. Undefined is no JSON. */
  static of(value: unknown): Json {
    return value instanceof Json ? value : new Json(printJson(value ?? null), undefined)
  }

  get text(): string {
    return this.#text
  }

  /** Parsed when first asked for; numbers are doubles in it. */
  get value(): unknown {
    this.#value ??= JSON.parse(this.#text)
    return this.#value
  }

  get isObject(): boolean {
    return this.#text.startsWith('{')
  }

  /** Its members, none if it is no object: text as itself, and what would be written differently as it was written. */
  members(): Record<string, unknown> {
    const members: [string, unknown][] = []
    if (this.isObject)
      eachMember(this.#text, 0, (name, from, to) => members.push([name, memberOf(this.#text.slice(from, to))]))
    return Object.fromEntries(members)
  }

  /** With this member behind its others, or in place of one of that name. An object, as anything else has no members. */
  with(name: string, value: unknown): Json {
    const others = this.without(name).#text.slice(1, -1)
    return Json.stored(`{${others}${others === '' ? '' : ','}${JSON.stringify(name)}:${Json.of(value).text}}`)
  }

  /** Without the members of this name. */
  without(name: string): Json {
    const kept: string[] = []
    if (this.isObject)
      eachMember(this.#text, 0, (other, from, to) => {
        if (other !== name) kept.push(`${JSON.stringify(other)}:${this.#text.slice(from, to)}`)
      })
    return Json.stored(`{${kept.join()}}`)
  }

  /** Its items, none if it is no list. */
  items(): Json[] {
    const items: Json[] = []
    if (this.#text.startsWith('['))
      eachItem(this.#text, 0, (_, from, to) => items.push(Json.stored(this.#text.slice(from, to))))
    return items
  }

  /** For JSON.stringify, which cannot be told to take a text as it is: `printJson` puts it in where this stands. */
  toJSON(): unknown {
    if (!taken) return this.value
    taken.push(this.#text)
    return `${MARK}${taken.length - 1}`
  }
}

const memberOf = (text: string): unknown => (/^["tfn]/.test(text) ? JSON.parse(text) : Json.stored(text))

/** What is printed holds no such string: half a character is refused, or replaced, wherever text comes in. */
const MARK = '\ud800json:'
const PRINTED_MARK = '"\\ud800json:'

/** The texts of what is being printed; undefined while nothing is. */
let taken: string[] | undefined

/** The text of a value in which some JSON is to stand as it was written. `print` does as JSON.stringify does. */
export function printJson(value: unknown, print: (value: unknown) => string = JSON.stringify): string {
  if (value instanceof Json) return value.text
  const texts: string[] = []
  taken = texts
  try {
    const printed = print(value)
    return texts.length === 0 ? printed : spliced(printed, texts)
  } finally {
    taken = undefined
  }
}

/** By hand: a regular expression with a callback took a tenth of the time of a reply with many bodies. */
function spliced(printed: string, texts: readonly string[]): string {
  let whole = ''
  let from = 0
  for (let at = printed.indexOf(PRINTED_MARK); at >= 0; at = printed.indexOf(PRINTED_MARK, from)) {
    const end = printed.indexOf('"', at + PRINTED_MARK.length)
    whole += printed.slice(from, at) + texts[Number(printed.slice(at + PRINTED_MARK.length, end))]!
    from = end + 1
  }
  return whole + printed.slice(from)
}

/** What may be JSON as it was written, for those who look into it. */
export const parsedJson = (value: unknown): unknown => (value instanceof Json ? value.value : value)
