// The duties of a node, started together and stopped in order: nothing new is started, work in progress may end, and
// what does not end in time returns to its queue.

import { egressOf } from '#access/egress/egress.ts'
import type { RunTokens } from '#access/run-tokens.ts'
import { inputs } from '#agents/inputs.duty.ts'
import { makeAgendas } from '#agents/leases/ai-agendas.duty.ts'
import { orphans } from '#agents/leases/orphans.duty.ts'
import { switches } from '#agents/switches.duty.ts'
import { alertMessages, alerts, sealChecks } from '#alerts/alerts.duty.ts'
import type { Ctx } from '#bell/ctx.ts'
import { type Duty, type DutyHealth, loop } from '#bell/loop.ts'
import { operations } from '#bulk/operations.duty.ts'
import { makeDispatcher } from '#dispatch/dispatcher.ts'
import { makeCaller } from '#dispatch/http-call.ts'
import { toolServers } from '#gateway/tool-servers.duty.ts'
import { counters } from '#log/counts/counters.duty.ts'
import { sealer } from '#log/seals/sealer.duty.ts'
import { logWatch } from '#log/server/log-watch.duty.ts'
import type { Claimer } from '#runs/attempts/claimer.ts'
import { reaper } from '#runs/attempts/reaper.duty.ts'
import { silence } from '#runs/report/silence.duty.ts'
import { cron } from '#runs/trigger/cron.duty.ts'
import { timers } from '#runs/waits/timers.duty.ts'
import { waits } from '#runs/waits/waits.duty.ts'
import { makeWebhookCarrier } from '#webhooks/webhooks.duty.ts'
import { makeNodeReporter } from './node-report.duty.ts'
import { type Retention, retention } from './retention.duty.ts'

export type EngineOptions = {
  claimer: Claimer
  tokens: RunTokens
  node: string
  callsMax: number
  retention: Retention
  externalSilenceSecs: number | null
  /** Where the database of this process keeps its data; undefined when it is somewhere else. */
  databaseFolder: string | undefined
  onTick: (duty: string, outcome: 'ok' | 'failed') => void
}

export type Engine = {
  inFlight: () => number
  health: () => DutyHealth[]
  stop: (graceMs: number) => Promise<void>
}

export function startEngine(ctx: Ctx, options: EngineOptions): Engine {
  const caller = makeCaller({ egress: egressOf(ctx) })
  const dispatcher = makeDispatcher(ctx, { ...options, caller, owner: options.node })
  const agendas = makeAgendas(ctx)
  const webhooks = makeWebhookCarrier(ctx, options.node)
  const health = new Map<string, DutyHealth>()
  const reporter = makeNodeReporter(ctx, { ...options, health: () => [...health.values()] })
  const stopping = new AbortController()

  const run = (duty: Duty, signal: AbortSignal): Promise<void> => {
    health.set(duty.name, {
      name: duty.name,
      everyMs: duty.everyMs,
      sinceMs: performance.now(),
      lastSuccessMs: undefined,
      failingSinceMs: undefined,
    })
    return loop(duty, {
      signal,
      listen: ctx.listen,
      onSuccess(name) {
        Object.assign(health.get(name)!, { lastSuccessMs: performance.now(), failingSinceMs: undefined })
        options.onTick(name, 'ok')
      },
      onError(name, error) {
        health.get(name)!.failingSinceMs ??= performance.now()
        ctx.log.error({ err: error, duty: name }, 'a duty failed; it will be retried')
        options.onTick(name, 'failed')
      },
    })
  }

  const [dispatch, leases] = dispatcher.duties
  const duties = [
    dispatch!,
    timers(ctx),
    waits(ctx),
    inputs(ctx),
    switches(ctx),
    reaper(ctx),
    orphans(ctx),
    operations(ctx),
    cron(ctx),
    counters(ctx),
    retention(ctx, options.retention),
    silence(ctx, options.externalSilenceSecs),
    sealer(ctx),
    logWatch(ctx),
    ...agendas.duties,
    webhooks.duty,
    alerts(ctx),
    alertMessages(ctx),
    sealChecks(ctx),
    reporter.duty,
    toolServers(ctx),
  ].map((duty) => run(duty, stopping.signal))
  // Leases are renewed until the last call has ended.
  const stoppingBeats = new AbortController()
  const beats = run(leases!, stoppingBeats.signal)

  return {
    inFlight: dispatcher.inFlight,
    health: () => [...health.values()],
    async stop(graceMs) {
      stopping.abort()
      await Promise.all(duties)
      await Promise.all([dispatcher.drain(graceMs), agendas.drain(graceMs), webhooks.stop(), reporter.stop()])
      stoppingBeats.abort()
      await beats
      await caller.close()
    },
  }
}
