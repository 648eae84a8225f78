// How replies are printed: by a serialiser that is compiled from the schema, except for free-form JSON, which may be
// text that goes through as it is.
import type { FastifyReply } from 'fastify'
import type { TSchema } from 'typebox'

type Shape = Record<string, unknown>

/** The schema for the serialiser: whatever is free-form has no shape in it. */
export const printable = (schema: TSchema): object => printed(schema as Shape)

function printed(shape: Shape): Shape {
  const { type, properties, additionalProperties, items, anyOf } = shape
  if (type === undefined && anyOf === undefined) return {}
  if (additionalProperties === true && properties === undefined) return {}
  return {
    ...shape,
    ...(isShape(properties) && { properties: mapped(properties) }),
    ...(isShape(additionalProperties) && { additionalProperties: printed(additionalProperties) }),
    ...(isShape(items) && { items: printed(items) }),
    ...(Array.isArray(anyOf) && { anyOf: anyOf.map(printed) }),
  }
}

const isShape = (value: unknown): value is Shape => typeof value === 'object' && value !== null && !Array.isArray(value)

const mapped = (shapes: Shape): Shape =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, printed(shape as Shape)]))

/** The serialiser that was compiled for a status of the route; undefined where there is none. */
export const printerOf = (reply: FastifyReply, status: number): ((value: unknown) => string) | undefined =>
  reply.getSerializationFunction(String(status)) as ((value: unknown) => string) | undefined
