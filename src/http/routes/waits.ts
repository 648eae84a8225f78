import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/runs/waits.ts'
import { continueRun } from '#runs/control/continue-run.ts'
import { sendEvent, waitForEvent } from '#runs/waits/waits.ts'
import { implement } from '../implement.ts'
import { runWire } from '../wire/run-wire.ts'
import { attemptOf } from './attempts.ts'

export function waitRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.waitForEvent, async ({ event_key, timeout_secs }, caller) => {
    const asked = { eventKey: event_key, timeoutSecs: timeout_secs }
    const { run, waitId, expiresAt } = await waitForEvent(ctx, attemptOf(caller), asked)
    return { status: run.state, wait_id: waitId, event_key, expires_at: expiresAt.toISOString() }
  })
  implement(app, contract.sendEvent, async ({ event_key, payload = null }, { projectId, actor }) => {
    const { run } = await sendEvent(ctx, { projectId, actor, eventKey: event_key, payload })
    return runWire(run)
  })
  implement(app, contract.continueRun, async ({ payload }, caller) =>
    runWire(await continueRun(ctx, attemptOf(caller), { payload })),
  )
}
