// The pieces that all resources share: identifiers, times, lists, free-form JSON, and the error envelope.
// A schema with a `title` becomes a component of that name in the OpenAPI document.
import {
  type Static,
  type TArray,
  type TObject,
  type TObjectOptions,
  type TOptional,
  type TProperties,
  type TSchema,
  type TUnsafe,
  Type,
} from 'typebox'
import { ACTOR_TYPES } from '#core/event.ts'

/** The maximum of PostgreSQL's `int`: a larger number could be sent and never stored. */
export const INT_MAX = 2_147_483_647
export const JSON_SCHEMA_BYTES_MAX = 65_536

/** An optional property with a default. Handlers always find it filled in. */
export type TDefaulted<S extends TSchema> = TOptional<S> & { default: unknown }

export function withDefault<S extends TSchema>(schema: S, fallback: Static<S>): TDefaulted<S> {
  // Type's marks are not enumerable, so a spread would lose them; and the schema itself may be shared.
  const copy = Object.defineProperties({}, Object.getOwnPropertyDescriptors(schema)) as S
  return Type.Optional(Object.assign(copy, { default: fallback })) as unknown as TDefaulted<S>
}

export const optional = Type.Optional

/** An enum of strings, with the `type` that Type.Enum leaves out and the fast serialiser needs. */
export const oneOf = <const V extends readonly string[]>(values: V, description: string): TUnsafe<V[number]> =>
  Type.Unsafe<V[number]>({ type: 'string', enum: [...values], description })

/** The same schema, or null: as a list of types, never as `anyOf`, because its errors would name both branches. */
export function nullable<S extends TSchema>(schema: S, description?: string): TUnsafe<Static<S> | null> {
  const { type, enum: values, ...rest } = schema as { type?: string; enum?: unknown[] }
  if (!type) throw new Error('only a schema with a type can be made nullable')
  const words = description === undefined ? {} : { description }
  return Type.Unsafe({ type: [type, 'null'], ...(values && { enum: [...values, null] }), ...rest, ...words })
}

/** Marks JSON that is kept and given on as it was written, with the digits of its numbers and the order of its keys. */
export const AS_WRITTEN = 'x-as-written'

/** Any JSON value, stored and returned as it was written. `bytesMax` bounds its JSON text. */
export const anyJson = (description: string, bytesMax?: number): TUnsafe<unknown> =>
  Type.Unsafe<unknown>({
    description,
    [AS_WRITTEN]: true,
    ...(bytesMax !== undefined && { 'x-bytes-max': bytesMax }),
  })

/** The same for an object. */
export const objectAsWritten = (description: string, bytesMax?: number): TUnsafe<object> =>
  Type.Unsafe<object>({ ...jsonObject(description, bytesMax), [AS_WRITTEN]: true })

export const jsonObject = (description: string, bytesMax?: number): TUnsafe<Record<string, unknown>> =>
  Type.Unsafe<Record<string, unknown>>({
    type: 'object',
    additionalProperties: true,
    description,
    ...(bytesMax !== undefined && { 'x-bytes-max': bytesMax }),
  })

export const text = (lengthMax: number, description: string, more: { minLength?: number; pattern?: string } = {}) =>
  Type.String({ maxLength: lengthMax, description, ...more })

/** Not `.` or `..`: clients remove such path segments from a URL (RFC 3986, 5.2.4). */
export const PATH_TEXT = '^(?!\\.{1,2}$)'

/** A name that clients choose and that later stands in the path of a URL. */
export const pathText = (lengthMax: number, description: string) =>
  text(lengthMax, description, { minLength: 1, pattern: PATH_TEXT })

export const whole = (minimum: number, maximum: number, description: string) =>
  Type.Integer({ minimum, maximum, description })

export const seconds = (minimum: number, maximum: number, description: string) =>
  Type.Number({ minimum, maximum, description })

export const flag = (description: string) => Type.Boolean({ description })

/** An id that Runyard generated; requests may write it in upper case. */
export const uuid = (description: string) => Type.String({ format: 'uuid', description, 'x-own-id': true })

export const time = (description: string) => Type.String({ format: 'date-time', description })

export const timeOrNull = (description: string) => nullable(time(description))

type MapBounds = { keysMax: number; keyLengthMax: number; valueLengthMax: number; description: string }

export const stringMap = ({ keysMax, keyLengthMax, valueLengthMax, description }: MapBounds) =>
  Type.Unsafe<Record<string, string>>({
    type: 'object',
    additionalProperties: { type: 'string', maxLength: valueLengthMax },
    propertyNames: { type: 'string', minLength: 1, maxLength: keyLengthMax },
    maxProperties: keysMax,
    description,
  })

export const tags = (description: string) =>
  stringMap({ keysMax: 20, keyLengthMax: 64, valueLengthMax: 256, description })

export const metadata = (description: string) =>
  stringMap({ keysMax: 50, keyLengthMax: 128, valueLengthMax: 1024, description })

export const headerMap = (description: string) =>
  stringMap({ keysMax: 20, keyLengthMax: 128, valueLengthMax: 4096, description })

export const RUN_ID = pathText(256, 'Id of the run: a UUID or, for an external run, the string that its client chose.')
/** For endpoints that concern only runs executed here. Ids that clients chose (RUN_ID) keep their case. */
export const OWN_RUN_ID = Type.String({
  minLength: 1,
  maxLength: 256,
  description: 'Id of the run.',
  'x-own-id': true,
})
/** What a run calls something that it does once, whichever of its attempts gets there. */
export const RUN_KEY = pathText(200, 'Name that this run gives it: the same key again means the same one.')
export const RunPath = Type.Object({ run_id: RUN_ID })

export const JOB = text(64, 'Id or slug of the job.', { minLength: 1 })
export const JobPath = Type.Object({ job: JOB })

export const Actor = Type.Object(
  {
    type: oneOf(ACTOR_TYPES, 'Kind of actor.'),
    id: nullable(Type.String(), 'Id of the actor; null when Runyard itself acted.'),
    name: optional(nullable(Type.String(), 'Name of the user or key, as it is now; null for all other actors.')),
  },
  { title: 'Actor' },
)

/** A request body. Unknown fields are refused by name; otherwise a typo would be silently ignored. */
export const body = <P extends TProperties>(properties: P, options: TObjectOptions = {}): TObject<P> =>
  Type.Object(properties, { ...options, additionalProperties: false })

/** A query string. Like a body, it refuses unknown names. */
export const query = body

/** A query parameter that may be repeated. */
export const repeated = <S extends TSchema>(items: S, countMax: number, description: string): TArray<S> =>
  Type.Array(items, { maxItems: countMax, description })

/** A query parameter that may be repeated, or hold a list separated by commas. */
export const commaList = <S extends TSchema>(items: S, countMax: number, description: string): TArray<S> =>
  Type.Array(items, { maxItems: countMax, description, 'x-comma-list': true })

export const CURSOR = text(512, 'The `next_cursor` of the previous page; omit it for the first page.', {
  minLength: 1,
})
export const LIMIT = withDefault(whole(1, 500, 'Maximum number of items per page.'), 50)
export const paging = { cursor: optional(CURSOR), limit: LIMIT }

/** A filter whose list is empty would select everything, so it is refused. */
export const notEmpty = <S extends TArray>(list: S): S => ({ ...list, minItems: 1 })

/** Filters of the form `key` or `key:value`. */
export const keyValues = (what: string) =>
  repeated(
    text(1200, 'key or key:value', { minLength: 1 }),
    20,
    `${what}: \`key\` (it exists) or \`key:value\` (it is equal). Repeat it to require several. The text is split ` +
      'at the first colon or, if no such key exists, at a later one; write a colon that is part of the key as ' +
      '`\\:`.',
  )

export const ORDER = (fallback: 'asc' | 'desc') =>
  withDefault(oneOf(['asc', 'desc'], 'Oldest first (asc) or newest first (desc).'), fallback)

export const listOf = <S extends TSchema>(item: S, title: string) =>
  Type.Object(
    {
      data: Type.Array(item, { description: 'The items; there may be fewer than `limit` although more pages follow.' }),
      next_cursor: nullable(Type.String(), 'Send this as `cursor` to get the next page; null on the last page.'),
      has_more: flag('Whether there is another page.'),
    },
    { title },
  )

export const ItemError = Type.Object(
  {
    code: Type.String({ description: 'Stable code, as in the error envelope.' }),
    message: Type.String({ description: 'A sentence for people; may change between versions.' }),
    details: optional(jsonObject('Details of the error, as fields that depend on the code.')),
  },
  { title: 'ItemError', description: 'Why one item of a batch was refused. The other items are not affected.' },
)

export const ErrorBody = Type.Object(
  {
    error: Type.Object({
      code: Type.String({ description: 'Stable code; docs/errors.md lists them.', examples: ['run_not_found'] }),
      message: Type.String({
        description: 'A sentence for people; may change between versions.',
        examples: ['Run 42 not found.'],
      }),
      details: optional(jsonObject('Details of the error, as fields that depend on the code.')),
    }),
    request_id: Type.String({
      description: 'Id of the request, also sent in the X-Request-Id header and written to the server log.',
    }),
  },
  { title: 'Error' },
)
