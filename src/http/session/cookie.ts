// The cookie of a session. Over https its name has the prefix __Host-, so that no other host can set it (session
// fixation from a subdomain); plain http, as on one's own machine, cannot have that prefix.
import type { FastifyReply, FastifyRequest } from 'fastify'

const SECURE_NAME = '__Host-runyard'
const PLAIN_NAME = 'runyard_session'

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
