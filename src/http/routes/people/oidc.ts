// The two addresses that a browser is sent to when somebody signs in with an identity provider. They are pages' business,
// not calls: they answer with redirects, and tell the sign-in page what went wrong.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { signInWithIdentity } from '#access/people/identity-sign-in.ts'
import type { Ctx } from '#bell/ctx.ts'
import { Refusal } from '#core/error.ts'
import { clearStepCookie, setSessionCookie, setStepCookie, stepCookieOf } from '../../session/cookie.ts'
import type { Begun, Oidc } from '../../session/oidc.ts'
import { isOverHttps, type PublicAddress, pageUrl } from '../../session/origin.ts'
import { deviceOf } from './sessions.ts'

const BEGIN = '/v1/session/oidc'
const CALLBACK = '/v1/session/oidc/callback'

type Parts = { address: PublicAddress; oidc: Oidc }

export function oidcRoutes(app: FastifyInstance, ctx: Ctx, { address, oidc }: Parts): void {
  const failed = (request: FastifyRequest, reply: FastifyReply, error: unknown) => {
    const code = error instanceof Refusal ? error.code : 'provider_failed'
    request.log.warn({ err: error }, 'a sign-in with the identity provider failed')
    return reply.redirect(pageUrl(request, address, `/sign-in#error=${code}`), 303)
  }

  app.get(BEGIN, async (request, reply) => {
    try {
      const { return_to } = request.query as { return_to?: unknown }
      const { url, begun } = await oidc.begin(pageUrl(request, address, CALLBACK), pathOf(return_to))
      setStepCookie(reply, { value: packed(begun), isSecure: isOverHttps(request, address) })
      return await reply.redirect(url.href, 303)
    } catch (error) {
      return failed(request, reply, error)
    }
  })

  app.get(CALLBACK, async (request, reply) => {
    const isSecure = isOverHttps(request, address)
    clearStepCookie(reply, isSecure)
    try {
      const begun = unpacked(stepCookieOf(request, isSecure))
      const answered = new URL(pageUrl(request, address, CALLBACK))
      answered.search = new URL(request.url, answered).search
      const identity = await oidc.finish(answered, begun)
      const device = { ...deviceOf(request, address), isSecure }
      const token = await signInWithIdentity(ctx, { identity, admission: oidc.settings }, device)
      setSessionCookie(reply, { token, isSecure })
      return await reply.redirect(pageUrl(request, address, begun.returnTo), 303)
    } catch (error) {
      return failed(request, reply, error)
    }
  })
}

/** A path of this server; anything else would lead people away. */
const pathOf = (text: unknown): string =>
  typeof text === 'string' && /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(text) ? text : '/'

const packed = (begun: Begun): string => Buffer.from(JSON.stringify(begun)).toString('base64url')

function unpacked(value: string | undefined): Begun {
  if (value === undefined) throw new Error('The browser did not begin this sign-in, or has waited too long.')
  const { state, nonce, verifier, returnTo } = JSON.parse(Buffer.from(value, 'base64url').toString()) as Partial<Begun>
  if (!state || !nonce || !verifier) throw new Error('The cookie of this sign-in is damaged.')
  return { state, nonce, verifier, returnTo: pathOf(returnTo) }
}
