import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/seals.ts'
import { DAY_SECS } from '#core/durations.ts'
import { refuseField } from '#core/error.ts'
import { type Seal, sealFields } from '#core/log/seal.ts'
import { exportLog } from '#log/seals/export-log.ts'
import { findHead, listSeals } from '#log/seals/seals.sql.ts'
import { type Problem, verifyLog } from '#log/seals/verify-log.ts'
import { Download, fileNameOf } from '../download.ts'
import { implement } from '../implement.ts'
import { decodeCursor, encodeCursor, pageOf, WHOLE } from '../wire/cursor.ts'

export function sealRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listSeals, async ({ cursor, limit }, { projectId }) => {
    const before = Number(decodeCursor('seals', cursor, [WHOLE])?.[0] ?? Number.MAX_SAFE_INTEGER)
    const seals = await listSeals(ctx.reads, { projectId, before, limit: limit + 1 })
    return pageOf(seals, limit, { wire: sealWire, cursor: (last) => encodeCursor('seals', [last.number]) })
  })

  implement(app, contract.getSealHead, async (_, { projectId }) => {
    const { head } = await findHead(ctx.reads, projectId)
    return { seal: head ? sealWire(head) : null }
  })

  implement(app, contract.verifyEvents, async ({ from, to, from_seal, expect }, { projectId }) => {
    if (from_seal !== undefined && from !== undefined) throw refuseField('from', 'goes without from_seal only')
    if (expect !== undefined && from_seal === undefined) throw refuseField('expect', 'needs from_seal')
    const verdict = await verifyLog(ctx, {
      projectId,
      from: from === undefined ? undefined : new Date(from),
      to: to === undefined ? undefined : new Date(to),
      fromSeal: from_seal === undefined ? undefined : { number: from_seal, hash: expect },
    })
    const { windows, events, sealedUntil, problem, gone, last, more } = verdict
    return {
      ok: problem === null,
      windows,
      events,
      sealed_until: sealedUntil,
      first_problem: problem && problemWire(problem),
      gone: { windows: gone.windows, events: gone.events, recorded_until: gone.recordedUntil },
      last_seal: last.number === 0 ? null : { number: last.number, hash: last.hash },
      next: more ? { from_seal: last.number, expect: last.hash } : null,
    }
  })

  implement(app, contract.exportEvents, ({ from, to }, { projectId }) => {
    const span = { from: new Date(from), to: to === undefined ? new Date(ctx.nowMs()) : new Date(to) }
    if (span.to <= span.from) throw refuseField('to', 'must be after from')
    if (span.to.getTime() - span.from.getTime() > contract.EXPORT_DAYS_MAX * DAY_SECS * 1000)
      throw refuseField('to', `must not be more than ${contract.EXPORT_DAYS_MAX} days after from`)
    const name = fileNameOf(`runyard-events-${projectId}-${from.slice(0, 10)}`)
    // The generator reads on when the client has taken what was read, and ends when the client has left.
    return new Download(`${name}.ndjson`, Readable.from(exportLog(ctx, { projectId, ...span }), { objectMode: false }))
  })
}

const sealWire = (seal: Seal) => ({ ...sealFields(seal), hash: seal.hash })

const problemWire = ({ after, until, ...problem }: Problem) => ({
  reason: problem.reason,
  message: problem.message,
  seal: problem.seal,
  after_xid: after.xid,
  after_position: after.position,
  until_xid: until?.xid ?? null,
  until_position: until?.position ?? null,
  recorded_from: problem.recordedFrom,
  recorded_until: problem.recordedUntil,
  events_sealed: problem.eventsSealed,
  events_found: problem.eventsFound,
})
