// Run tokens: the credential of a running attempt. A token names run, attempt and lease; the lease decides
// whether it is still valid, so no revocation list is needed.
import { createSigner, createVerifier } from 'fast-jwt'
import type { Clock } from '#postgres/clock.ts'

export type RunClaims = { runId: string; projectId: string; attempt: number; leaseToken: string; owner: string }
type Wire = { sub: string; prj: string; att: number; lse: string; own: string; iat: number; exp: number }

/** Of a token that only reads one run, for a browser: the id that clients know the run by, and for how long. */
export type ViewClaims = { viewedRunId: string; projectId: string; expiresInMs: number }
type ViewWire = { view: string; prj: string; iat: number; exp: number }

/** A handler may still report its outcome just after its time is up; the lease decides whether that counts. */
const LEEWAY_SECS = 60
const CACHE_MAX = 10_000

export type RunTokens = {
  sign: (claims: RunClaims, timeoutSecs: number) => string
  /** Signs a token that reads the run, and nothing else, for a while. */
  signView: (view: { runId: string; projectId: string }, forSecs: number) => { token: string; expiresAtMs: number }
  /** Undefined for anything that is not one of our tokens, or has expired. */
  verify: (token: string) => RunClaims | ViewClaims | undefined
}

/** Another node checks what this one signs, so both times are the database's. */
export function runTokens(secret: string, { nowMs }: Pick<Clock, 'nowMs'>): RunTokens {
  const nowSecs = () => Math.floor(nowMs() / 1000)
  const signer = createSigner({ key: secret, algorithm: 'HS256' })
  const verifier = createVerifier({
    key: secret,
    algorithms: ['HS256'],
    cache: CACHE_MAX,
    // The library would use this machine's clock.
    ignoreExpiration: true,
    ignoreNotBefore: true,
  })
  return {
    sign({ runId, projectId, attempt, leaseToken, owner }, timeoutSecs) {
      const iat = nowSecs()
      const exp = iat + timeoutSecs + LEEWAY_SECS
      const wire: Wire = { sub: runId, prj: projectId, att: attempt, lse: leaseToken, own: owner, iat, exp }
      return signer(wire)
    },
    signView({ runId, projectId }, forSecs) {
      const iat = nowSecs()
      const wire: ViewWire = { view: runId, prj: projectId, iat, exp: iat + forSecs }
      return { token: signer(wire), expiresAtMs: wire.exp * 1000 }
    },
    verify(token) {
      try {
        const wire = verifier(token) as Wire | ViewWire
        if (!(wire.exp > nowSecs())) return undefined
        if ('view' in wire)
          return { viewedRunId: wire.view, projectId: wire.prj, expiresInMs: wire.exp * 1000 - nowMs() }
        const { sub, prj, att, lse, own } = wire
        return { runId: sub, projectId: prj, attempt: att, leaseToken: lse, owner: own }
      } catch {
        return undefined
      }
    },
  }
}

/** A run token is a JWT and an API key is not: this decides how to read a credential before verifying anything. */
export const looksLikeRunToken = (credential: string): boolean => credential.startsWith('eyJ')
