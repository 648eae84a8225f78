// A dialect is another product's API over the same actions: its own paths, names, envelopes and statuses. It
// translates, and decides nothing.
import type { FastifyInstance } from 'fastify'
import type { Route } from '#contract/route.ts'
import manifest from '../../../package.json' with { type: 'json' }
import { openapiOf } from '../openapi.ts'
import { problemSender, type Wording } from '../problems.ts'

export type Dialect = {
  /** Where it is mounted, e.g. `/strait`; the paths of its routes begin behind it. */
  prefix: `/${string}`
  /** Name of the product, for people. */
  title: string
  /** What goes wrong, in the product's words. */
  wording: Wording
  /** All of its routes: what its OpenAPI document shows. */
  routes: readonly Route[]
  mount: (app: FastifyInstance) => void
}

/** Everything under the prefix answers in the dialect's words: its routes, what is not there, and what fails. */
export const mountDialect =
  ({ prefix, title, wording, routes, mount }: Dialect) =>
  (app: FastifyInstance): void => {
    void app.register(
      async (scope) => {
        scope.setErrorHandler(problemSender(wording))
        scope.setNotFoundHandler(app.answerUnknown)
        mount(scope)
        const document = {
          ...openapiOf(routes, { version: manifest.version }),
          servers: [{ url: prefix, description: `The routes of ${title}, on this installation.` }],
        }
        scope.get('/openapi.json', () => document)
      },
      { prefix },
    )
  }
