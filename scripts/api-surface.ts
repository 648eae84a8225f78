// The native API as a sorted list of facts: each operation, each thing it takes, each thing it answers. A fact that is
// gone, or a field that is newly required, breaks clients; a new fact does not.
import { ROUTES } from '#contract/routes.ts'
import { openapiOf } from '#http/openapi/openapi.ts'

const DEPTH_MAX = 4

type Schema = {
  $ref?: string
  type?: string | string[]
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
}
type Parameter = { name: string; in: string; required?: boolean; schema: Schema }
type Content = { content?: Record<string, { schema?: Schema }> }
type Operation = { parameters?: Parameter[]; requestBody?: Content; responses: Record<string, Content> }
type Document = {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema>; responses?: Record<string, Content> }
}

export function apiSurface(): string[] {
  const document = openapiOf(ROUTES, { version: '0' }) as unknown as Document
  const facts = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, operation]) => {
      const name = `${method.toUpperCase()} ${path}`
      return [name, ...takenBy(document, operation), ...answeredBy(document, operation)].map((fact) =>
        fact === name ? fact : `${name} ${fact}`,
      )
    }),
  )
  return [...new Set(facts)].sort()
}

function takenBy(document: Document, { parameters = [], requestBody }: Operation): string[] {
  const named = parameters.map((it) => `takes ${it.in} ${it.name}${it.required ? ' (required)' : ''}`)
  const bodies = Object.values(requestBody?.content ?? {}).flatMap(({ schema }) => fieldsOf(document, schema, 'body'))
  return [...named, ...bodies.map((field) => `takes ${field}`)]
}

const answeredBy = (document: Document, { responses }: Operation): string[] =>
  Object.entries(responses)
    .filter(([status]) => status.startsWith('2'))
    .flatMap(([status, { content }]) => [
      `answers ${status}`,
      ...Object.values(content ?? {}).flatMap(({ schema }) =>
        // Whether a field of an answer is required is nothing that a client relies on here.
        fieldsOf(document, schema, status).map((field) => `answers ${field.replace(' (required)', '')}`),
      ),
    ])

function fieldsOf(document: Document, schema: Schema | undefined, place: string, depth = 0): string[] {
  if (!schema || depth > DEPTH_MAX) return []
  if (schema.$ref) return fieldsOf(document, document.components.schemas[schema.$ref.split('/').at(-1)!], place, depth)
  const within = [
    ...(schema.anyOf ?? []).flatMap((one) => fieldsOf(document, one, place, depth)),
    ...fieldsOf(document, schema.items, `${place}[]`, depth + 1),
  ]
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, property]) => [
    `${place}.${name}${schema.required?.includes(name) ? ' (required)' : ''}`,
    ...fieldsOf(document, property, `${place}.${name}`, depth + 1),
  ])
  return [...own, ...within]
}
