// The cookie of a session. Over https its name has the prefix __Host-, so that no other host can set it (session
// fixation from a subdomain); plain http, as on one's own machine, cannot have that prefix.
import type { FastifyReply, FastifyRequest } from 'fastify'

const SECURE_NAME = '__Host-runyard'
const PLAIN_NAME = 'runyard_session'
const SECURE_STEP_NAME = '__Host-runyard-oidc'
const PLAIN_STEP_NAME = 'runyard_oidc'
const STEP_SECS = 600

export type SessionCookie = { token: string; isSecure: boolean }

export const hasSessionCookie = ({ headers: { cookie } }: FastifyRequest): boolean =>
  cookie !== undefined && [SECURE_NAME, PLAIN_NAME].some((name) => cookieValue(cookie, name))

/** The session that a request shows; over https no other cookie counts than one that was set over https. */
export function sessionCookieOf({ headers }: FastifyRequest, overHttps: boolean): SessionCookie | undefined {
  const { cookie = '' } = headers
  const secure = cookieValue(cookie, SECURE_NAME)
  if (secure) return { token: secure, isSecure: true }
  const plain = overHttps ? undefined : cookieValue(cookie, PLAIN_NAME)
  return plain ? { token: plain, isSecure: false } : undefined
}

/** A session of the browser: it forgets it when it is closed, unless it restores itself. The server ends it anyway. */
export function setSessionCookie(reply: FastifyReply, { token, isSecure }: SessionCookie): void {
  reply.header('set-cookie', cookieText(token, isSecure))
}

export function clearSessionCookie(reply: FastifyReply, isSecure: boolean): void {
  reply.header('set-cookie', `${cookieText('', isSecure)}; Max-Age=0`)
}

/**
 * Between the beginning and the end of a sign-in elsewhere. It must come along when the provider sends the browser back,
 * which is another site's doing: Lax, and short-lived.
 */
export function setStepCookie(reply: FastifyReply, { value, isSecure }: { value: string; isSecure: boolean }): void {
  reply.header('set-cookie', `${stepCookieText(value, isSecure)}; Max-Age=${STEP_SECS}`)
}

export function clearStepCookie(reply: FastifyReply, isSecure: boolean): void {
  reply.header('set-cookie', `${stepCookieText('', isSecure)}; Max-Age=0`)
}

export const stepCookieOf = ({ headers: { cookie = '' } }: FastifyRequest, isSecure: boolean): string | undefined =>
  cookieValue(cookie, isSecure ? SECURE_STEP_NAME : PLAIN_STEP_NAME)

const stepCookieText = (value: string, isSecure: boolean): string =>
  `${isSecure ? SECURE_STEP_NAME : PLAIN_STEP_NAME}=${value}; Path=/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`

const cookieText = (token: string, isSecure: boolean): string =>
  `${isSecure ? SECURE_NAME : PLAIN_NAME}=${token}; Path=/; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`

/** The value of a cookie, which may stand in quotes. */
export const cookieValue = (cookies: string, name: string): string | undefined =>
  cookies
    .split(';')
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(`${name}=`))
    ?.slice(name.length + 1)
    .replace(/^"(.*)"$/, '$1')
