// Where a call comes from. A cookie is sent by the browser whoever makes the call, so a call that changes something must
// come from a page of this server (cross-site request forgery).
import type { FastifyRequest } from 'fastify'
import { refuse } from '#core/error.ts'

export type PublicAddress = {
  /** Origin under which people reach the server, e.g. https://runyard.example.com; undefined: whatever host they call. */
  origin: string | undefined
  /** Path before all others, without a slash at its end. */
  basePath: string
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** For calls with a session's cookie. */
export function checkOrigin(request: FastifyRequest, address: PublicAddress): void {
  if (!SAFE_METHODS.has(request.method)) requireOwnOrigin(request, address, request.headers.origin ?? null)
}

/** Where no cookie proves anything: a page elsewhere must not sign somebody in as somebody else, or call for a model. */
export function checkOriginIfSent(request: FastifyRequest, address: PublicAddress): void {
  const { origin } = request.headers
  if (origin !== undefined) requireOwnOrigin(request, address, origin)
}

function requireOwnOrigin(request: FastifyRequest, { origin: own }: PublicAddress, origin: string | null): void {
  const isOwn = origin !== null && (own === undefined ? hostOf(origin) === request.headers.host : origin === own)
  if (!isOwn) throw refuse('wrong_origin', { origin })
}

/** Whether the caller's browser, or a proxy before it, says that the page is on https; a browser sends its Origin with every sign-in. */
export function isOverHttps(request: FastifyRequest, { origin: own }: PublicAddress): boolean {
  if (own !== undefined) return own.startsWith('https:')
  return request.headers.origin?.startsWith('https://') || request.headers['x-forwarded-proto'] === 'https'
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host
  } catch {
    // `null`, as sandboxed pages and files have it.
    return undefined
  }
}

/** The address of a page of the console, for a person to open. */
export const pageUrl = ({ headers }: FastifyRequest, address: PublicAddress, page: string): string =>
  `${address.origin ?? `${headers['x-forwarded-proto'] === 'https' ? 'https' : 'http'}://${headers.host}`}${address.basePath}${page}`
