// A dialect is another product's API over the same actions: its own paths, names, envelopes and statuses. It
// translates, and decides nothing.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Route } from '#contract/route.ts'
import { refuse } from '#core/error.ts'
import { fieldPath } from '#http/input/field-path.ts'
import { openapiOf, type Surface } from '#http/openapi/openapi.ts'
import { problemSender, type Wording } from '#http/problems.ts'
import manifest from '../../package.json' with { type: 'json' }

export type Dialect = {
  /** Where it is mounted, e.g. `/strait`; the paths of its routes are relative to it. */
  prefix: `/${string}`
  /** Name of the product, for people. */
  title: string
  /** Errors, in the product's words. */
  wording: Wording
  /** All of its routes: what its OpenAPI document shows. */
  routes: readonly Route[]
  /** The introduction of that document, and its error schema; ours when absent. */
  surface?: Surface
  /** For products that redirect a path with a slash at its end to the one without. */
  slashes?: 'redirected'
  /** For products with their own wording of query errors: they refuse unknown parameters themselves. */
  unknownParameters?: 'own_words'
  mount: (app: FastifyInstance) => void
}

/** Everything under the prefix is answered in the dialect's words: its routes, unknown paths, and errors. */
export const mountDialect =
  ({ prefix, title, wording, routes, surface, slashes, unknownParameters, mount }: Dialect) =>
  (app: FastifyInstance): void => {
    app.problemSenders.set(prefix, problemSender(wording))
    void app.register(
      async (scope) => {
        scope.setErrorHandler(problemSender(wording))
        scope.setNotFoundHandler(app.answerUnknown)
        if (slashes === 'redirected') scope.addHook('onRequest', redirectSlash(prefix, routes))
        if (!unknownParameters) scope.addHook('preValidation', refuseUnknownParameters)
        mount(scope)
        // Built on the first request, so that the server's start does not wait for it.
        let document: object | undefined
        scope.get('/openapi.json', () => {
          document ??= {
            ...openapiOf(routes, { version: manifest.version, surface }),
            servers: [{ url: prefix, description: `The routes of ${title}, on this installation.` }],
          }
          return document
        })
      },
      { prefix },
    )
  }

/** To the router, a path with a trailing slash is a different one; the clients of some products expect a redirect. */
function redirectSlash(prefix: string, routes: readonly Route[]) {
  const known = routes.map(({ method, path }) => ({ method, pattern: patternOf(prefix + path) }))
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    const [path = '', search] = request.url.split('?', 2)
    const bare = path.replace(/\/+$/, '')
    const method = request.method === 'HEAD' ? 'GET' : request.method
    if (bare === path || !known.some((it) => it.method === method && it.pattern.test(bare))) return undefined
    // 307: with its method and its body.
    return reply.redirect(search === undefined ? bare : `${bare}?${search}`, 307)
  }
}

const patternOf = (path: string): RegExp =>
  new RegExp(
    `^${path
      .split('/')
      .map((part) => (part.startsWith(':') ? '[^/]+' : RegExp.escape(part)))
      .join('/')}$`,
  )

type QuerySchema = { properties?: object; patternProperties?: object }

/** A filter that is silently ignored shows more than was asked for, so unknown parameters are refused. */
async function refuseUnknownParameters({ routeOptions, query }: FastifyRequest): Promise<void> {
  const { route } = routeOptions.config
  if (route?.method !== 'GET' || route.stream) return
  const fields = unknownParametersOf(route, query as object).map((field) => ({
    field,
    message: 'is not a known parameter',
  }))
  if (fields.length > 0) throw refuse('invalid', { fields })
}

export function unknownParametersOf({ query }: Route, given: object): string[] {
  const { properties = {}, patternProperties = {} } = (query ?? {}) as QuerySchema
  const patterns = Object.keys(patternProperties).map((pattern) => new RegExp(pattern))
  return Object.keys(given)
    .filter((name) => !Object.hasOwn(properties, name) && !patterns.some((pattern) => pattern.test(name)))
    .map((name) => fieldPath([name]))
}
