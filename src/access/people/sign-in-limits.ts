// How often it may be tried to sign in: by account, so that a password is not guessed from many places; by address, so
// that no place guesses many. What succeeds is not counted, or a busy office would lock itself out.
import { createHash } from 'node:crypto'
import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import { networkOf } from '../wrong-keys.ts'
import { countAttempts, forgiveAttempts } from './attempts.sql.ts'

const WINDOW_SECS = 900
/** From one place. Whoever wants to lock somebody else out of their own place has to be there. */
const OF_ACCOUNT_HERE_MAX = 10
const OF_ACCOUNT_MAX = 100
const OF_ADDRESS_MAX = 60

type Attempt = { account?: string | undefined; address: string }

/** Counts an attempt before it is looked at; throws the refusal `rate_limited` over a limit. Returns how to take it back. */
export async function countSignIn(ctx: Ctx, { account, address }: Attempt): Promise<() => Promise<unknown>> {
  const network = networkOf(address)
  const limits = [
    { subject: subjectOf('address', network), max: OF_ADDRESS_MAX },
    ...(account === undefined
      ? []
      : [
          { subject: subjectOf('account', account), max: OF_ACCOUNT_MAX },
          { subject: subjectOf('account', account, network), max: OF_ACCOUNT_HERE_MAX },
        ]),
  ]
  const subjects = limits.map(({ subject }) => subject)
  const counted = await countAttempts(ctx.sql, subjects, WINDOW_SECS)
  const over = limits.findIndex(({ max }, index) => counted[index]!.n > max)
  if (over >= 0)
    throw refuse('rate_limited', {
      limit: `${limits[over]!.max} attempts to sign in within ${WINDOW_SECS / 60} minutes`,
      retryAfterMs: Math.max(1_000, counted[over]!.endsInMs),
    })
  return () => forgiveAttempts(ctx.sql, subjects)
}

const subjectOf = (...words: string[]): Buffer => createHash('sha256').update(JSON.stringify(words)).digest()
