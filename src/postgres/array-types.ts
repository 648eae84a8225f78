// Arrays of PostgreSQL, as text. The driver asks each new connection for the types of arrays, by a promise that nobody
// holds: a connection that is lost meanwhile ends the process. The numbers of built-in types never change, so they stand here.
import type postgres from 'postgres'
import { instantText, parseInstant } from './instant.ts'

type Parse = (text: string) => unknown
type Kind = { parse?: Parse; text?: (value: unknown) => string }

const asNumber: Kind = { parse: Number }
const asDate: Kind = { parse: parseInstant }
const asJson: Kind = { parse: JSON.parse, text: JSON.stringify }

/** By the number of the array's type. */
const KINDS: Record<number, Kind> = {
  199: asJson, // json[]
  271: {}, // xid8[]
  1000: { parse: (text) => text === 't' }, // bool[]
  1001: { parse: (text) => Buffer.from(text.slice(2), 'hex') }, // bytea[]
  1002: {}, // "char"[]
  1003: {}, // name[]
  1005: asNumber, // int2[]
  1007: asNumber, // int4[]
  1009: {}, // text[]
  1014: {}, // bpchar[]
  1015: {}, // varchar[]
  1016: asNumber, // int8[]
  1021: asNumber, // float4[]
  1022: asNumber, // float8[]
  1028: asNumber, // oid[]
  1041: {}, // inet[]
  1115: asDate, // timestamp[]
  1182: asDate, // date[]
  1185: asDate, // timestamptz[]
  1187: {}, // interval[]
  1231: {}, // numeric[]
  2951: {}, // uuid[]
  3807: asJson, // jsonb[]
}

export const ARRAY_TYPES: Record<string, postgres.PostgresType> = Object.fromEntries(
  Object.entries(KINDS).map(([number, { parse = String, text = textOf }]) => [
    `array_${number}`,
    {
      to: Number(number),
      from: [Number(number)],
      // A text is an array that was written out already; see column.ts.
      serialize: (values: unknown) => (Array.isArray(values) ? literalOf(values, text) : values),
      parse: (literal: string) => parseArray(literal, parse),
    },
  ]),
)

function literalOf(values: readonly unknown[], text: (value: unknown) => string): string {
  const elements = values.map((value) => {
    if (value === null || value === undefined) return 'NULL'
    return Array.isArray(value) ? literalOf(value, text) : `"${text(value).replace(/[\\"]/g, '\\$&')}"`
  })
  return `{${elements.join()}}`
}

function textOf(value: unknown): string {
  if (typeof value === 'boolean') return value ? 't' : 'f'
  if (value instanceof Date) return instantText(value)
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

const PLAIN_TEXT = /[^{},"\\]+/y

/** What a server sends for an array: `{1,NULL,"a \"b\""}`, nested for more dimensions. */
export function parseArray(literal: string, parse: Parse): unknown[] {
  // Bounds stand in front where they do not begin with 1.
  let at = literal.indexOf('{')

  function list(): unknown[] {
    const values: unknown[] = []
    at++
    while (literal[at] !== '}') {
      if (at >= literal.length) throw new Error(`not an array of PostgreSQL: ${literal.slice(0, 80)}`)
      if (literal[at] === ',') at++
      else if (literal[at] === '{') values.push(list())
      else values.push(literal[at] === '"' ? parse(quoted()) : plain())
    }
    at++
    return values
  }

  function quoted(): string {
    let value = ''
    for (at++; at < literal.length && literal[at] !== '"'; at++) {
      if (literal[at] === '\\') at++
      value += literal[at]
    }
    at++
    return value
  }

  function plain(): unknown {
    PLAIN_TEXT.lastIndex = at
    const value = PLAIN_TEXT.exec(literal)?.[0] ?? ''
    at += Math.max(1, value.length)
    return value === 'NULL' ? null : parse(value)
  }

  return list()
}
