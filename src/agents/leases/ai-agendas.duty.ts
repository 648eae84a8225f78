// Executes agendas, the actions planned under AI leases. A node holds an agenda exclusively; when the node stops or
// dies, the next one continues it.
import { randomUUID } from 'node:crypto'
import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { deleteStaleCalls } from '../tools/tools.sql.ts'
import { type Agenda, holdAgenda, holdLease, leaveAgenda, takeAgendas } from './ai-agendas.sql.ts'
import { findLease, type LeaseRow } from './ai-leases.sql.ts'
import { isRunCanceled, sweepLeases } from './ai-leases.ts'
import { executeAgenda } from './ai-run.ts'

/** Maximum number of agendas per node. */
const AGENDAS_MAX = 50
const HOLD_SECS = 12
const BEAT_MS = 3_000
const SWEEP_MS = 60_000
const SWEPT_MAX = 1_000

export type Agendas = { duties: [agendas: Duty, sweep: Duty]; drain: (graceMs: number) => Promise<void> }

export function makeAgendas(ctx: Ctx): Agendas {
  const underway = new Map<string, { stop: AbortController; cut: AbortController; done: Promise<void> }>()

  function begin(agenda: Agenda): void {
    const stop = new AbortController()
    const cut = new AbortController()
    const done = execute(ctx, agenda, { stop, cut })
      .catch((error: unknown) => ctx.log.error({ err: error, key: agenda.key }, 'an agenda failed; it will be retried'))
      .finally(() => {
        underway.delete(agenda.leaseId)
        ctx.ring(['ai-agendas'])
      })
    underway.set(agenda.leaseId, { stop, cut, done })
  }

  return {
    duties: [
      {
        name: 'ai-agendas',
        everyMs: 2_000,
        topics: ['ai-agendas'],
        async tick() {
          const limit = AGENDAS_MAX - underway.size
          if (limit <= 0) return { inMs: undefined }
          const taken = await takeAgendas(ctx.sql, { executor: randomUUID(), holdSecs: HOLD_SECS, limit })
          for (const agenda of taken) begin(agenda)
          return { inMs: undefined }
        },
      },
      {
        name: 'ai-leases',
        everyMs: SWEEP_MS,
        async tick() {
          const leases = await sweepLeases(ctx)
          const calls = await deleteStaleCalls(ctx.sql, SWEPT_MAX)
          return leases > 0 || calls === SWEPT_MAX ? { inMs: 100 } : { inMs: undefined }
        },
      },
    ],
    async drain(graceMs) {
      const all = [...underway.values()]
      for (const { stop } of all) stop.abort()
      const ended = Promise.all(all.map(({ done }) => done))
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, graceMs).unref())])
      for (const { cut } of all) cut.abort()
      await ended
    },
  }
}

type Signals = { stop: AbortController; cut: AbortController }

/** Until it ends, must stop before its next action, or is cut off in the middle of one. */
async function execute(ctx: Ctx, agenda: Agenda, { stop, cut }: Signals): Promise<void> {
  const lease = await findLease(ctx.sql, agenda)
  if (lease?.leaseId !== agenda.leaseId) return
  const beat = setInterval(() => void hold(ctx, agenda, { lease, cut }), BEAT_MS)
  try {
    await holdLease(ctx.sql, agenda, HOLD_SECS)
    await executeAgenda(ctx, agenda, { stop: stop.signal, cut: cut.signal, lease })
    // Not after a failure: it is retried when the hold has expired, not in a tight loop.
    await leaveAgenda(ctx.sql, agenda)
  } finally {
    clearInterval(beat)
  }
}

async function hold(
  ctx: Ctx,
  agenda: Agenda,
  { lease, cut }: { lease: LeaseRow; cut: AbortController },
): Promise<void> {
  try {
    // Canceled, or taken over by others: nobody needs the action in progress any more.
    if (await isRunCanceled(ctx, lease)) cut.abort()
    if (await holdAgenda(ctx.sql, agenda, HOLD_SECS)) await holdLease(ctx.sql, agenda, HOLD_SECS)
    else cut.abort()
  } catch (error) {
    ctx.log.warn({ err: error, key: agenda.key }, 'an agenda could not be put on hold; it will be retried')
  }
}
