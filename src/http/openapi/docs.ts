// API documents: /openapi.json, and /docs to read and try it. Nothing is loaded from elsewhere, by server or browser.
import { createHash } from 'node:crypto'
import Fastify, { type FastifyInstance } from 'fastify'
import { getOpenapi } from '#contract/operations.ts'
import { ROUTES } from '#contract/routes.ts'
import { DAY_SECS } from '#core/durations.ts'
import manifest from '../../../package.json' with { type: 'json' }
import { implement } from '../implement.ts'
import { pageHeaders } from '../page-headers.ts'
import { type OpenapiDocument, openapiOf } from './openapi.ts'

export function docsRoutes(app: FastifyInstance): void {
  // Built on the first request, so that the server's start does not wait for it.
  let document: OpenapiDocument | undefined
  implement(app, getOpenapi, () => {
    document ??= openapiOf(ROUTES, { version: manifest.version })
    return document
  })

  let reference: Promise<Reference> | undefined
  app.get('/docs', (_, reply) => reply.redirect('/docs/'))
  app.get('/docs/', async (_, reply) => {
    reference ??= renderReference()
    const { page, policy } = await reference
    return reply.type('text/html; charset=utf-8').headers(pageHeaders(policy)).send(page)
  })
  app.get('/docs/js/scalar.js', async (_, reply) => {
    reference ??= renderReference()
    const { script } = await reference
    return reply
      .type('text/javascript; charset=utf-8')
      .header('cache-control', `public, max-age=${DAY_SECS}`)
      .send(script)
  })
}

type Reference = { page: string; script: string; policy: string }

/**
 * The page and its one script, from the plugin that contains them. Loading it takes most of a second, which should not
 * delay a start: so it is done on the first request, in a server of its own.
 */
async function renderReference(): Promise<Reference> {
  const { default: plugin } = await import('@scalar/fastify-api-reference')
  const carrier = Fastify()
  await carrier.register(plugin, {
    routePrefix: '/docs',
    configuration: {
      url: '/openapi.json',
      pageTitle: 'Runyard API',
      withDefaultFonts: false,
      telemetry: false,
      hideClientButton: true,
      showDeveloperTools: 'never',
      agent: { disabled: true },
    },
  })
  const page = (await carrier.inject('/docs/')).body
  const script = (await carrier.inject('/docs/js/scalar.js')).body
  await carrier.close()
  return { page, script, policy: policyFor(page) }
}

// Enforced by the browser: the page may run its own script, and talk to this server only.
function policyFor(page: string): string {
  const inline = [...page.matchAll(/<script(?![^>]*\bsrc=)[^>]*>([\s\S]*?)<\/script>/g)].map(
    ([, source = '']) => source,
  )
  const hashes = inline.map((source) => `'sha256-${createHash('sha256').update(source).digest('base64')}'`)
  return [
    "default-src 'self'",
    `script-src 'self' ${hashes.join(' ')}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "worker-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
