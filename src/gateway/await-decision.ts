// Waits, for a while, until a person has decided about a call.
import { findAskedCall } from '#agents/asked-calls.sql.ts'
import { type Decision, decisionOf } from '#agents/authorize.ts'
import type { Ctx } from '#bell/ctx.ts'
import { runTopic } from '#bell/topics.ts'
import type { GatewayCall } from './gateway-call.ts'

/** How often the client is told that its call still waits, and the answer is looked for without a ring. */
const LOOK_MS = 5_000

/** Undefined: nobody has decided yet. */
export async function awaitDecision(ctx: Ctx, call: GatewayCall, asked: Decision): Promise<Decision | undefined> {
  const { projectId, run, waitMs, signal, stopping, tell } = call
  const over = AbortSignal.any([signal, stopping])
  const endMs = performance.now() + waitMs
  for (let looks = 0; ; looks++) {
    const listening = ctx.listen([runTopic(run.id)])
    try {
      const row = await findAskedCall(ctx.sql, projectId, asked.authorizationId)
      if (!row) return undefined
      if (row.state !== 'asked') return decisionOf(row)
      // The run ended, and the question with it.
      if (row.inputState !== 'pending') return { ...decisionOf(row), decision: 'blocked', reason: 'approval_denied' }
      const leftMs = endMs - performance.now()
      if (leftMs <= 0 || over.aborted) return undefined
      if (looks > 0) tell({ message: `waiting for a person to approve the call (request ${asked.inputRequestId})` })
      else tell({ message: `a person has to approve the call first (request ${asked.inputRequestId})` })
      await listening.rung(Math.min(LOOK_MS, leftMs), over)
    } finally {
      listening.close()
    }
  }
}
