// The duties of a node, started together and stopped in order: nothing new is begun, what is under way may end, and
// what does not end in time goes back to its queue.
import type { Claimer } from '#actions/claim-runs.ts'
import type { Ctx } from '#actions/ctx.ts'
import type { RunTokens } from '#governance/run-tokens.ts'
import { makeAgendas } from './ai-agendas.ts'
import { counters } from './counters.ts'
import { cron } from './cron.ts'
import { makeDispatcher } from './dispatcher.ts'
import { makeCaller } from './http-call.ts'
import { inputs } from './inputs.ts'
import { type Duty, type DutyHealth, loop } from './loop.ts'
import { operations } from './operations.ts'
import { orphans } from './orphans.ts'
import { reaper } from './reaper.ts'
import { type Retention, retention } from './retention.ts'
import { sealer } from './sealer.ts'
import { switches } from './switches.ts'
import { timers } from './timers.ts'
import { waits } from './waits.ts'

export type EngineOptions = {
  claimer: Claimer
  tokens: RunTokens
  node: string
  callsMax: number
  retention: Retention
  onTick: (duty: string, outcome: 'ok' | 'failed') => void
}

export type Engine = {
  inFlight: () => number
  health: () => DutyHealth[]
  stop: (graceMs: number) => Promise<void>
}

export function startEngine(ctx: Ctx, options: EngineOptions): Engine {
  const caller = makeCaller({ egress: ctx.egress })
  const dispatcher = makeDispatcher(ctx, { ...options, caller, owner: options.node })
  const agendas = makeAgendas(ctx)
  const health = new Map<string, DutyHealth>()
  const stopping = new AbortController()

  const run = (duty: Duty, signal: AbortSignal): Promise<void> => {
    health.set(duty.name, { name: duty.name, everyMs: duty.everyMs, lastSuccessMs: undefined })
    return loop(duty, {
      signal,
      listen: ctx.listen,
      onSuccess(name) {
        health.get(name)!.lastSuccessMs = performance.now()
        options.onTick(name, 'ok')
      },
      onError(name, error) {
        ctx.log.error({ err: error, duty: name }, 'a duty failed; it is tried again')
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
    sealer(ctx),
    ...agendas.duties,
  ].map((duty) => run(duty, stopping.signal))
  // Leases are kept alive until the last call has ended.
  const stoppingBeats = new AbortController()
  const beats = run(leases!, stoppingBeats.signal)

  return {
    inFlight: dispatcher.inFlight,
    health: () => [...health.values()],
    async stop(graceMs) {
      stopping.abort()
      await Promise.all(duties)
      await Promise.all([dispatcher.drain(graceMs), agendas.drain(graceMs)])
      stoppingBeats.abort()
      await beats
      await caller.close()
    },
  }
}
