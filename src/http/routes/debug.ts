import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/runs/debug.ts'
import { readDebugBundle } from '#insight/debug-bundle.ts'
import { readAttempts } from '#insight/read-attempts.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { Download, fileNameOf } from '../download.ts'
import { implement } from '../implement.ts'
import { attemptWire, bundleFiles, bundleWire } from '../wire/bundle-wire.ts'
import { decodeCursor, encodeCursor, pageOf, WHOLE } from '../wire/cursor.ts'
import { zipOf } from '../zip.ts'

export function debugRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listAttempts, async ({ run_id, cursor, limit }, { projectId }) => {
    const after = Number(decodeCursor('attempts', cursor, [WHOLE])?.[0] ?? 0)
    const attempts = await readAttempts(ctx, await requireRun(ctx, projectId, run_id))
    return pageOf(attempts.filter((it) => it.sequence > after).slice(0, limit + 1), limit, {
      wire: attemptWire,
      cursor: (last) => encodeCursor('attempts', [last.sequence]),
    })
  })
  implement(app, contract.getDebugBundle, async ({ run_id, format }, { projectId }, request) => {
    const run = await requireRun(ctx, projectId, run_id)
    const madeAt = new Date(ctx.nowMs())
    const bundle = bundleWire(await readDebugBundle(ctx, run), madeAt)
    if ((format ?? wantedFormat(request)) === 'json') return bundle
    return new Download(`${fileNameOf(`runyard-run-${run.publicId}`)}.zip`, zipOf(bundleFiles(bundle), madeAt))
  })
}

const wantedFormat = ({ headers }: FastifyRequest): 'json' | 'zip' =>
  /\bapplication\/zip\b/.test(headers.accept ?? '') ? 'zip' : 'json'
