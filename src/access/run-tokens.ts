// Run tokens: the credential of a running attempt. A token names run, attempt and lease; the lease decides
// whether it is still valid, so no revocation list is needed.
import { createSigner, createVerifier } from 'fast-jwt'
import type { Clock } from '#postgres/clock.ts'

export type RunClaims = { runId: string; projectId: string; attempt: number; leaseToken: string; owner: string }
type Wire = { sub: string; prj: string; att: number; lse: string; own: string; iat: number; exp: number }

/** A handler may still report its outcome just after its time is up; the lease decides whether that counts. */
const LEEWAY_SECS = 60
const CACHE_MAX = 10_000

export type RunTokens = {
  sign: (claims: RunClaims, timeoutSecs: number) => string
  /** Undefined for anything that is not one of our tokens, or has expired. */
  verify: (token: string) => RunClaims | undefined
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
    verify(token) {
      try {
        const { sub, prj, att, lse, own, exp } = verifier(token) as Wire
        if (!(exp > nowSecs())) return undefined
        return { runId: sub, projectId: prj, attempt: att, leaseToken: lse, owner: own }
      } catch {
        return undefined
      }
    },
  }
}

/** A run token is a JWT and an API key is not: this decides how to read a credential before verifying anything. */
export const looksLikeRunToken = (credential: string): boolean => credential.startsWith('eyJ')
