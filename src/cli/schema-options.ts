// Options made from the schemas of a route: their names, what they take, and their help.
import { type Command, Option } from 'commander'
import type { Route } from '#contract/route.ts'
import { own } from '#core/own.ts'
import { usageError } from './exit-codes.ts'
import { readJsonText } from './input-text.ts'
import { timeOf } from './moments.ts'

type Schema = {
  type?: string | readonly string[]
  enum?: readonly unknown[]
  format?: string
  items?: Schema
  description?: string
  default?: unknown
  additionalProperties?: unknown
  properties?: Readonly<Record<string, Schema>>
}
type Values = Record<string, unknown>

/** Shorter or friendlier names than those of the fields. */
export type Names = Readonly<Record<string, string>>

/** How people name the filters on runs. */
export const RUN_NAMES: Names = {
  agent_id: 'agent',
  metadata: 'meta',
  payload_contains: 'payload',
  created_from: 'since',
  created_to: 'until',
  finished_from: 'finished-since',
  finished_to: 'finished-until',
  parent_run_id: 'parent',
  batch_id: 'batch',
  correlation_id: 'correlation',
}

/** Those that every command takes. */
export const GLOBAL_OPTIONS = ['timeout', 'url', 'profile', 'json', 'plain', 'quiet', 'utc', 'help']

type Kind = 'text' | 'number' | 'flag' | 'time' | 'list' | 'pairs' | 'json'
type Field = { name: string; option: string; kind: Kind; schema: Schema; items: Kind }

export const schemaFields = (schema: unknown): Readonly<Record<string, Schema>> =>
  (schema as Schema | undefined)?.properties ?? {}

export class SchemaOptions {
  readonly #fields: readonly Field[]

  constructor(schema: unknown, { names = {}, skip = [] }: { names?: Names; skip?: readonly string[] } = {}) {
    this.#fields = Object.entries(schemaFields(schema))
      .filter(([name]) => !skip.includes(name))
      .map(([name, field]) => fieldOf(name, field, names))
  }

  /** Their names, without dashes before them. */
  get options(): readonly string[] {
    return this.#fields.map(({ option }) => option)
  }

  addTo(command: Command): this {
    for (const field of this.#fields) for (const option of optionsOf(field)) command.addOption(option)
    return this
  }

  /** The options of these fields, as they are typed. */
  typed(names: readonly string[]): string[] {
    return this.#fields.filter(({ name }) => names.includes(name)).map(({ option }) => `--${option}`)
  }

  /** The fields that were given, as the route takes them. */
  async read(given: Values): Promise<Values> {
    const read: [string, unknown][] = []
    for (const field of this.#fields) {
      const value = own(given, keyOf(field.option))
      if (value !== undefined) read.push([field.name, await typedValue(field, value)])
    }
    return Object.fromEntries(read)
  }
}

/** The options of a route's query. */
export const queryOptions = (route: Route, more?: { names?: Names; skip?: readonly string[] }): SchemaOptions =>
  new SchemaOptions(route.query, more)

const typesOf = ({ type }: Schema): readonly string[] =>
  (typeof type === 'string' ? [type] : (type ?? [])).filter((one) => one !== 'null')

function fieldOf(name: string, schema: Schema, names: Names): Field {
  const option = own(names, name) ?? name.replaceAll('_', '-')
  return { name, option, schema, kind: kindOf(schema), items: schema.items ? kindOf(schema.items) : 'text' }
}

function kindOf(schema: Schema): Kind {
  const [type, ...others] = typesOf(schema)
  if (others.length > 0) return 'json'
  if (type === 'boolean') return 'flag'
  if (type === 'integer' || type === 'number') return 'number'
  if (type === 'string') return schema.format === 'date-time' ? 'time' : 'text'
  if (type === 'array') return ['text', 'number', 'time'].includes(kindOf(schema.items ?? {})) ? 'list' : 'json'
  const isMap = typeof schema.additionalProperties === 'object' && schema.additionalProperties !== null
  return isMap ? 'pairs' : 'json'
}

const PLACEHOLDERS: Readonly<Record<Exclude<Kind, 'flag'>, string>> = {
  text: '<text>',
  number: '<number>',
  time: '<time>',
  list: '<value>',
  pairs: '<key=value>',
  json: '<json>',
}

function optionsOf(field: Field): Option[] {
  const { option, kind, schema } = field
  if (kind !== 'flag') return [valueOption(field, kind)]
  // Both, so that leaving out the option differs from either; help shows the one that changes something.
  const words = sentenceOf(schema)
  const yes = new Option(`--${option}`, words)
  const no = new Option(`--no-${option}`, schema.default === true ? `Not: ${words}` : words)
  return schema.default === true ? [yes.hideHelp(), no] : [yes, no.hideHelp()]
}

function valueOption({ option, schema }: Field, kind: Exclude<Kind, 'flag'>): Option {
  const values = schema.enum ?? schema.items?.enum
  const many = kind === 'list' || kind === 'pairs'
  const made = new Option(
    `--${option} ${PLACEHOLDERS[kind]}`,
    sentenceOf(schema) + (values ? ` [${values.join(', ')}]` : ''),
  )
  return many ? made.argParser((text: string, before: string[] | undefined) => [...(before ?? []), text]) : made
}

/** The first sentence is enough in a list of options. */
const sentenceOf = ({ description = '' }: Schema): string =>
  description.replace(/(?<=[^.]{3}[.;:]) .*$/s, '').replace(/[.;:]$/, '')

/** The name under which commander keeps an option. */
export const keyOf = (option: string): string => option.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())

async function typedValue(field: Field, given: unknown): Promise<unknown> {
  const { kind, option, items } = field
  if (kind === 'flag') return given
  if (kind === 'pairs') return pairsOf(given as string[], option)
  if (kind === 'json') return JSON.parse(await readJsonText(String(given), `--${option}`))
  if (kind !== 'list') return scalarOf(kind, String(given), field)
  return (given as string[])
    .flatMap((text) => (field.schema.items?.enum || 'x-comma-list' in field.schema ? text.split(',') : [text]))
    .map((text) => scalarOf(items, text.trim(), field))
}

function scalarOf(kind: Kind, text: string, { option, schema }: Field): unknown {
  if (kind === 'time') return timeOf(text, `--${option}`)
  if (kind === 'number') {
    if (text.trim() === '' || Number.isNaN(Number(text)))
      throw usageError(`--${option} must be a number, not "${text}".`)
    return Number(text)
  }
  const values = schema.enum ?? schema.items?.enum
  if (values && !values.includes(text))
    throw usageError(`--${option} must be one of ${values.join(', ')}, not "${text}".`)
  return text
}

function pairsOf(given: readonly string[], option: string): Record<string, string> {
  return Object.fromEntries(
    given.map((text) => {
      const at = text.search(/[=:]/)
      if (at < 1) throw usageError(`--${option} must be key=value, not "${text}".`)
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
}
