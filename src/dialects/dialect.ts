// A dialect is another product's API over the same actions: its own paths, names, envelopes and statuses. It
// translates, and decides nothing.
import type { FastifyInstance } from 'fastify'
import type { Route } from '#contract/route.ts'
import { openapiOf, type Surface } from '#http/openapi/openapi.ts'
import { problemSender, type Wording } from '#http/problems.ts'
import manifest from '../../package.json' with { type: 'json' }

export type Dialect = {
  /** Where it is mounted, e.g. `/strait`; the paths of its routes begin behind it. */
  prefix: `/${string}`
  /** Name of the product, for people. */
  title: string
  /** What goes wrong, in the product's words. */
  wording: Wording
  /** All of its routes: what its OpenAPI document shows. */
  routes: readonly Route[]
  /** How that document introduces itself, and how errors look in it; ours when absent. */
  surface?: Surface
  mount: (app: FastifyInstance) => void
}

/** Everything under the prefix answers in the dialect's words: its routes, what is not there, and what fails. */
export const mountDialect =
  ({ prefix, title, wording, routes, surface, mount }: Dialect) =>
  (app: FastifyInstance): void => {
    app.problemSenders.set(prefix, problemSender(wording))
    void app.register(
      async (scope) => {
        scope.setErrorHandler(problemSender(wording))
        scope.setNotFoundHandler(app.answerUnknown)
        mount(scope)
        // Made when somebody first asks: a start of the server need not wait for it.
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
