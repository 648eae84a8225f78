import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/runs/waits.ts'
import { DAY_SECS } from '#core/durations.ts'
import { refuseField } from '#core/error.ts'
import { continueRun } from '#runs/control/continue-run.ts'
import { beginWait, type ItemAsked, type WaitAsked } from '#runs/waits/begin-wait.ts'
import { sendEvent } from '#runs/waits/send-event.ts'
import { waitForEvent } from '#runs/waits/waits.ts'
import { answer, type HandlerInput, implement } from '../implement.ts'
import { runWire } from '../wire/run-wire.ts'
import { attemptOf } from './attempts.ts'

export function waitRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.waitForEvent, async ({ event_key, timeout_secs }, caller) => {
    const asked = { eventKey: event_key, timeoutSecs: timeout_secs }
    const { run, waitId, expiresAt } = await waitForEvent(ctx, attemptOf(caller), asked)
    return { status: run.state, wait_id: waitId, event_key, expires_at: expiresAt.toISOString() }
  })
  implement(app, contract.beginWait, async (input, caller) => {
    const { run, outcome } = await beginWait(ctx, attemptOf(caller), askedFor(input, ctx.nowMs()))
    return { ...outcome, run_status: run.state }
  })
  implement(app, contract.sendEvent, async ({ event_key, payload = null, to, keep_secs }, { projectId, actor }) => {
    const sent = await sendEvent(ctx, { projectId, actor, eventKey: event_key, payload, to, keepSecs: keep_secs })
    if (!('kept' in sent)) return answer(200, runWire(sent.run))
    const { id, recipients, expiresAt } = sent.kept
    const { delivered } = sent
    return answer(202, { event_id: id, event_key, to: recipients, delivered, expires_at: expiresAt.toISOString() })
  })
  implement(app, contract.continueRun, async ({ payload }, caller) =>
    runWire(await continueRun(ctx, attemptOf(caller), { payload })),
  )
}

const TIMEOUT_SECS = DAY_SECS
const ONLY_FOR = ['mode', 'timeout_secs', 'on_timeout'] as const

function askedFor(input: HandlerInput<typeof contract.beginWait>, nowMs: number): WaitAsked {
  const { key, sleep_secs, until } = input
  const given = (['sleep_secs', 'until', 'for'] as const).filter((name) => input[name] !== undefined)
  if (given.length === 0) throw refuseField('for', 'or sleep_secs or until is required')
  if (given.length > 1) throw refuseField(given[1]!, `may not be given together with ${given[0]}`)
  if (input.for) {
    const { mode = 'all', timeout_secs = TIMEOUT_SECS, on_timeout = 'fail' } = input
    return { key, kind: 'items', items: input.for.map(itemOf), mode, timeoutSecs: timeout_secs, onTimeout: on_timeout }
  }
  const other = ONLY_FOR.find((name) => input[name] !== undefined)
  if (other) throw refuseField(other, 'goes with for only')
  const at = sleep_secs === undefined ? Date.parse(until!) : nowMs + sleep_secs * 1000
  if (at > nowMs + contract.WAIT_SECS_MAX * 1000) throw refuseField('until', 'is more than a year ahead')
  return { key, kind: 'sleep', until: new Date(at) }
}

function itemOf(item: { event_key?: string; run_id?: string }, at: number): ItemAsked {
  const { event_key, run_id } = item
  if (event_key !== undefined && run_id !== undefined)
    throw refuseField(`for.${at}.run_id`, 'may not be given together with event_key')
  if (event_key !== undefined) return { eventKey: event_key }
  if (run_id !== undefined) return { runId: run_id }
  throw refuseField(`for.${at}`, 'needs event_key or run_id')
}
