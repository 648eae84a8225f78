// Calls that are not made twice: whoever comes second waits for the result of the first.
import type { Ctx } from '#bell/ctx.ts'
import type { Topic } from '#bell/topics.ts'
import { refuse } from '#core/error.ts'
import { type CallName, claimCall, type KeptCall } from './tools.sql.ts'

const LOOK_MS = 1_000

export const keptCallTopic = (name: CallName): Topic =>
  `call:${name.projectId}:${name.agentId}:${name.tool}:${name.key}`

type Claim = {
  name: CallName
  token: string
  /** How long the call may take. */
  longestMs: number
  keepSecs: number
  takeOver: boolean
  signal?: AbortSignal
}

/** Claims the call or returns its result; while someone else makes it, waits for their result. */
export async function claimKeptCall(ctx: Ctx, { name, longestMs, signal, ...it }: Claim): Promise<KeptCall> {
  const asked = { ...name, ...it, holdSecs: longestMs / 1000 + 5 }
  const endMs = performance.now() + longestMs + 10_000
  while (performance.now() < endMs && !signal?.aborted) {
    const listening = ctx.listen([keptCallTopic(name)])
    try {
      const found = await claimCall(ctx.sql, asked)
      if (found.mine || found.result) return found
      await listening.rung(LOOK_MS, signal)
    } finally {
      listening.close()
    }
  }
  throw refuse('overloaded', { what: `The tool ${name.tool}`, retryAfterMs: LOOK_MS })
}
