// The OpenAPI 3.1 document, generated from the routes of the contract: what is not in the contract is not in it.

import type { TSchema } from 'typebox'
import { ErrorBody } from '#contract/common.ts'
import type { Route } from '#contract/route.ts'
import { REFUSAL_CODES, type RefusalCode } from '#core/error.ts'
import { own } from '#core/own.ts'
import { takesIdempotencyKey } from '../keeps-reply.ts'
import { STATUS } from '../problems.ts'
import { componentsOf, type JsonSchema } from './openapi-schemas.ts'

export type OpenapiDocument = Record<string, unknown> & { paths: Record<string, Record<string, unknown>> }

const TAGS: Record<string, string> = {
  Jobs: 'What is to be run, how, how often, and how much of it at once.',
  Presets: 'Named sets of execution settings.',
  Runs: 'Trigger runs, watch over them, and act on them.',
  'Run records': 'What a run left behind.',
  Usage: 'What calls of models used and cost, and the prices of models.',
  'Running attempt': 'What an attempt may call with its run token while it is running.',
  Workers: 'Claim runs, keep their leases, settle them.',
  Files: 'What runs were handed beside their payloads.',
  'Human input': 'Runs and agents ask people, and people answer.',
  Agents: 'What agents may do, what they did, and the switch that stops them.',
  Events: 'The log: append-only, the truth about the past.',
  Access: 'Projects and keys.',
  People: 'Who is signed in, users and their roles, invitations.',
  Operations: 'Health, metrics and counts.',
}

const DESCRIPTION = `Runyard is a control plane for the runs of AI agents and background jobs.

JSON is in snake_case; times are RFC 3339 in UTC with milliseconds. Lists answer \`{data, next_cursor, has_more}\`; send
\`next_cursor\` as \`cursor\` for the next page. Filters combine with AND. Errors are
\`{error: {code, message, details?}, request_id}\`; a code is stable, its sentence is not.`

/** The title and errors of an API: another product's API has its own words and statuses. */
export type Surface = {
  title: string
  summary: string
  description: string
  errorBody: TSchema
  statusOf: (code: RefusalCode) => number
  /** Statuses that the product returns on a route besides those of its codes. */
  alsoOf?: (route: Route) => readonly number[]
}

const NATIVE: Surface = {
  title: 'Runyard',
  summary: 'Runs of AI agents and background jobs.',
  description: DESCRIPTION,
  errorBody: ErrorBody,
  statusOf: (code) => STATUS[code],
}

type About = { version: string; surface?: Surface | undefined }

export function openapiOf(routes: readonly Route[], { version, surface = NATIVE }: About): OpenapiDocument {
  const { title, summary, description, errorBody } = surface
  const says = statusesOf(surface)
  const components = componentsOf()
  const errorSchema = components.take(errorBody)
  const paths: OpenapiDocument['paths'] = {}
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route, components.take, says) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title,
      version,
      summary,
      description,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'This installation.' }],
    security: [{ bearer: [] }, { api_key: [] }],
    tags: [...new Set(routes.map((route) => route.tag))].map((name) => ({
      name,
      description: own(TAGS, name) ?? name,
    })),
    paths,
    components: {
      schemas: components.schemas,
      responses: Object.fromEntries(
        errorStatuses(routes, says).map((status) => [`Problem${status}`, problemOf(status, errorSchema, surface)]),
      ),
      headers: {
        RequestId: {
          description: 'Id of the request; the one that was sent, if it was well-formed.',
          schema: { type: 'string' },
        },
        RetryAfter: { description: 'Seconds after which to try again.', schema: { type: 'integer', minimum: 1 } },
      },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API key.' },
        api_key: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'An API key.' },
        run_token: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'The token of a running attempt.',
        },
        ...(routes.some(({ needs }) => needs === 'session') && { session: SESSION }),
      },
    },
  }
}

const SESSION = {
  type: 'apiKey',
  in: 'cookie',
  name: '__Host-runyard',
  description:
    'The session of a browser. It is taken wherever a key is; the header `runyard-project` chooses the project, and calls ' +
    'that change something must have an Origin equal to the host.',
}

type Take = (schema: object) => JsonSchema

/** All statuses that a route may return besides its replies. */
type Says = (route: Route) => number[]

const statusesOf =
  ({ statusOf, alsoOf }: Surface): Says =>
  (route) =>
    [...new Set([...codesOf(route).map(statusOf), ...(alsoOf?.(route) ?? []), 500])].sort()

function operationOf(route: Route, take: Take, says: Says): Record<string, unknown> {
  return {
    operationId: route.name,
    tags: [route.tag],
    summary: route.summary,
    ...(route.description && { description: route.description }),
    'x-scope': route.needs,
    'x-codes': codesOf(route),
    security: securityOf(route),
    parameters: [...parametersOf(route, take), ...headersOf(route)],
    ...(route.body && { requestBody: requestBodyOf(route, take) }),
    responses: { ...repliesOf(route, take), ...problemsOf(route, says) },
  }
}

function securityOf({ needs, orRunToken, orLocal }: Route): object[] {
  if (needs === 'nothing') return []
  if (needs === 'run_token') return [{ run_token: [] }]
  if (needs === 'session') return [{ session: [] }]
  return [{ bearer: [] }, { api_key: [] }, ...(orRunToken ? [{ run_token: [] }] : []), ...(orLocal ? [{}] : [])]
}

function parametersOf(route: Route, take: Take): object[] {
  const from = (where: 'path' | 'query', schema: unknown) => {
    const { properties = {}, required = [] } = (schema ?? {}) as {
      properties?: Record<string, JsonSchema>
      required?: string[]
    }
    return Object.entries(properties).map(([name, property]) => {
      const { description, ...rest } = take(property)
      return { name, in: where, required: where === 'path' || required.includes(name), description, schema: rest }
    })
  }
  return [...from('path', route.params), ...from('query', route.query)]
}

function headersOf(route: Route): object[] {
  const header = (name: string, description: string, schema: object) => ({ name, in: 'header', description, schema })
  if (route.stream) return [header('Last-Event-ID', 'Resume after this event.', { type: 'string' })]
  if (!takesIdempotencyKey(route)) return []
  const words = 'Makes the call safe to repeat: the same key with the same request gives the first answer again.'
  return [header('Idempotency-Key', words, { type: 'string', minLength: 1, maxLength: 256 })]
}

function requestBodyOf(route: Route, take: Take): object {
  const lines = (route.consumes ?? []).map((type) => [
    type,
    { schema: { type: 'string', description: 'One item per line.' } },
  ])
  return {
    required: !route.bodyOptional,
    content: { 'application/json': { schema: take(route.body!) }, ...Object.fromEntries(lines) },
  }
}

const WORDS: Record<number, string> = { 200: 'Done.', 201: 'Created.', 204: 'Done; no body.', 503: 'Not ready.' }

function repliesOf(route: Route, take: Take): Record<string, object> {
  const headers = { 'X-Request-Id': { $ref: '#/components/headers/RequestId' } }
  const type = route.stream ? 'text/event-stream' : (route.produces?.split(';', 1)[0] ?? 'application/json')
  const replies = Object.entries(route.replies).map(([status, schema]) => {
    const shape = route.stream ? { type: 'string' } : schema && take(schema)
    const file = route.download && {
      [route.download]: { schema: { type: 'string', contentMediaType: route.download } },
    }
    const events = route.streamsToo && { 'text/event-stream': { schema: { type: 'string' } } }
    const content = shape ? { content: { [type]: { schema: shape }, ...file, ...events } } : {}
    return [status, { description: WORDS[Number(status)] ?? 'Done.', headers, ...content }]
  })
  return Object.fromEntries(replies)
}

// What every route may return, given its inputs.
function codesOf(route: Route): RefusalCode[] {
  const codes: RefusalCode[] = ['malformed', 'unavailable', ...(route.refusals ?? [])]
  if (route.needs !== 'nothing') codes.push('unauthorized', 'forbidden', 'wrong_credential', 'rate_limited')
  // A session names its project in a header, and its calls come from pages of this server.
  if (!['nothing', 'run_token', 'any_key'].includes(route.needs)) codes.push('project_not_found', 'wrong_origin')
  if (route.query || route.body || route.params) codes.push('invalid')
  if (route.body) codes.push('too_large', 'unsupported_media_type')
  if (takesIdempotencyKey(route)) codes.push('idempotency_mismatch', 'idempotency_in_progress')
  // The attempt of a run token may have lost its run.
  if (route.needs === 'run_token' || route.orRunToken) codes.push('run_not_found', 'run_over', 'stale_lease')
  return [...new Set(codes)]
}

function problemsOf(route: Route, says: Says): Record<string, object> {
  const problems = says(route)
    // A route may return such a status itself, with its own body.
    .filter((status) => !(status in route.replies))
    .map((status) => [String(status), { $ref: `#/components/responses/Problem${status}` }])
  return Object.fromEntries(problems)
}

const errorStatuses = (routes: readonly Route[], says: Says): number[] => [...new Set(routes.flatMap(says))].sort()

function problemOf(status: number, schema: JsonSchema, { statusOf }: Surface): object {
  const codes: string[] = status === 500 ? ['internal'] : REFUSAL_CODES.filter((code) => statusOf(code) === status)
  const retry = status === 429 || status === 503 ? { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } } : {}
  return {
    description: codes.length > 0 ? `Codes: ${codes.map((code) => `\`${code}\``).join(', ')}.` : 'The body says why.',
    headers: { 'X-Request-Id': { $ref: '#/components/headers/RequestId' }, ...retry },
    content: { 'application/json': { schema } },
  }
}
