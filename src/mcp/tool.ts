// What a tool is, and the pieces that tools share: schemas out of the contract's, and bounds on what a model must read.
import type { Route } from '#contract/route.ts'
import { own } from '#core/own.ts'
import type { Scope } from '#core/scopes.ts'
import { cutText } from '#core/storable.ts'
import type { Ask } from './ask.ts'

export type Args = Readonly<Record<string, unknown>>
export type Schema = Record<string, unknown>
export type Me = { project_id: string; key_id: string; scopes: readonly string[] }
export type Context = { ask: Ask; me: Me; signal: AbortSignal }

export type Tool = {
  name: string
  title: string
  description: string
  /** Without this scope the key does not see the tool. */
  needs: Scope
  /** The scope must be named by the key, and is not implied by a wider one. */
  explicit?: true
  kind: 'reads' | 'adds' | 'destroys'
  input: Record<string, Schema>
  /** What `input` refers to, at the root: `$defs`, or `definitions` in older schemas. */
  definitions?: Schema
  required?: readonly string[]
  run: (context: Context, args: Args) => Promise<unknown>
}

/** The fields of a route's query or body, by name. */
export function fieldsOf(schema: unknown, names?: readonly string[]): Record<string, Schema> {
  const { properties = {} } = (schema ?? {}) as { properties?: Record<string, Schema> }
  const kept = Object.entries(properties).filter(([name]) => names?.includes(name) ?? true)
  return Object.fromEntries(kept)
}

/** The path and query of a route. */
export const inputOf = ({ params, query }: Route): Record<string, Schema> => ({
  ...fieldsOf(params),
  ...fieldsOf(query),
})

/** The arguments that a route takes, and none that only the tool knows. */
export const pick = (args: Args, names: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(args).filter(([name, value]) => names.includes(name) && value !== undefined))

/** A mistake in the arguments, told to the model so that it can try again. */
export class BadArguments extends Error {
  override readonly name = 'BadArguments'
}

export function textArg(args: Args, name: string): string {
  const value = own(args, name)
  if (typeof value === 'string' && value !== '') return value
  throw new BadArguments(`${name} must be a text that is not empty.`)
}

export function numberArg(
  args: Args,
  name: string,
  { fallback, min, max }: { fallback: number; min: number; max: number },
): number {
  const value = own(args, name) ?? fallback
  if (typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max) return value
  throw new BadArguments(`${name} must be a number from ${min} to ${max}.`)
}

export const textField = (description: string): Schema => ({ type: 'string', minLength: 1, description })
export const wholeField = (minimum: number, maximum: number, description: string): Schema => ({
  type: 'integer',
  minimum,
  maximum,
  description,
})

const BODY_CHARS_MAX = 4096

/** A body that a client made, cut off where it is long; `read_run_data` reads the rest. */
export function capped(value: unknown): unknown {
  const text = JSON.stringify(value) ?? 'null'
  if (text.length <= BODY_CHARS_MAX) return value
  return { cut_off: true, characters: text.length, begins: cutText(text, BODY_CHARS_MAX) }
}

/** Without what is null, empty or of no use to a model. */
export const compact = (value: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(value).filter(([, one]) => {
      if (one === null || one === undefined || one === false) return false
      return typeof one !== 'object' || Object.keys(one).length > 0
    }),
  )
