// Strait's SDK plane: what a running attempt reports about itself.
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { Ctx } from '#bell/ctx.ts'
import { refuse, refuseField } from '#core/error.ts'
import { idempotencyKeyOf, type RunCaller } from '#http/caller.ts'
import { implement } from '#http/implement.ts'
import { checkOf } from '#http/input/validation.ts'
import { attemptOf, errorText, overWire } from '#http/routes/attempts.ts'
import { readRunLog } from '#log/read-log.sql.ts'
import { findRunBody, type RunRow } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import {
  annotateRun,
  forgetValue,
  recordToolCall,
  reportProgress,
  setValue,
  writeCheckpoint,
  writeChunk,
  writeLog,
  writeOutput,
} from '#runs/attempts/attempt-calls.ts'
import { findValue } from '#runs/attempts/attempt-writes.sql.ts'
import { endAttempts } from '#runs/attempts/end-attempts.ts'
import { renewLease } from '#runs/attempts/heartbeat.ts'
import { recordUsage } from '#runs/attempts/record-usage.ts'
import { continueRun } from '#runs/control/continue-run.ts'
import { awaitKey, spawnRun } from '#runs/control/spawn-run.ts'
import { waitForEvent } from '#runs/waits/waits.ts'
import { agentOfRun } from '#usage/spend.ts'
import { straitRun } from './run-wire.ts'
import { pageOfState } from './runs-record-reads.ts'
import { checkpointWire, eventWire, outputWire, stateWire, toolCallWire, usageWire } from './runs-record-wire.ts'
import * as contract from './sdk-contract.ts'
import * as course from './sdk-course-contract.ts'
import { straitRefusal } from './wording.ts'

const SDK_VERSION = '1'
const CAPABILITIES =
  'log,progress,annotate,heartbeat,checkpoint,usage,tool-call,output,complete,fail,spawn,continue,wait-for-event,state,stream,resources'

export function straitSdkRoutes(app: FastifyInstance, ctx: Ctx): void {
  // A separate Fastify scope: its responses have headers that the SDK relies on.
  void app.register(async (plane) => {
    plane.addHook('onSend', async ({ headers }, reply) => {
      const asked = headers['x-sdk-version']
      reply.header('x-sdk-version-accepted', typeof asked === 'string' && asked.length <= 64 ? asked : SDK_VERSION)
      reply.header('x-sdk-capabilities', CAPABILITIES)
    })
    writeRoutes(plane, ctx)
    stateRoutes(plane, ctx)
    courseRoutes(plane, ctx)
  })
}

function writeRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.logRun, async ({ type, level, message, data }, caller) =>
    lineOf(ctx, caller, await writeLog(ctx, attemptOf(caller), { type, level, message, data })),
  )
  implement(app, contract.progressRun, async ({ percent, message, step, eta_seconds, eta_secs }, caller) => {
    const progress = { percent, message, step, etaSecs: eta_seconds ?? eta_secs }
    return lineOf(ctx, caller, await reportProgress(ctx, attemptOf(caller), progress))
  })
  implement(app, contract.resourcesRun, async ({ memory_mb, memory_percent, cpu_percent }, caller) => {
    const data = { memory_mb, memory_percent, cpu_percent }
    const line = { type: 'resource_sample', level: 'info', message: 'resource sample', data } as const
    return lineOf(ctx, caller, await writeLog(ctx, attemptOf(caller), line))
  })
  implement(app, contract.annotateRun, async ({ given }, caller) => {
    await annotateRun(ctx, attemptOf(caller), annotationsOf(given))
    return runOf(ctx, await requireRun(ctx, caller.projectId, caller.runId))
  })
  implement(app, contract.heartbeatRun, async (_, caller) => {
    const { told } = await renewLease(ctx, { runId: caller.runId, token: caller.leaseToken })
    return { status: 'ok' as const, ...(told && { told: told as 'pause' | 'stop' }) }
  })
  implement(app, contract.checkpointRun, async ({ source, state }, caller) =>
    checkpointWire(caller.runId, await writeCheckpoint(ctx, attemptOf(caller), { source, state })),
  )
  implement(app, contract.usageRun, async ({ provider, model, ...used }, caller) => {
    const run = await requireRun(ctx, caller.projectId, caller.runId)
    const usage = {
      provider,
      model,
      promptTokens: used.prompt_tokens,
      completionTokens: used.completion_tokens,
      totalTokens: used.total_tokens,
      // A client without a price sends none, or 0.
      costMicrousd: used.cost_microusd || undefined,
      jobId: run.jobId,
      agentId: agentOfRun(run),
    }
    const { row, over } = await recordUsage(ctx, attemptOf(caller), usage)
    return { ...usageWire(caller.runId, row), ...overWire(over) }
  })
  implement(app, contract.toolCallRun, async ({ tool_name, input, output, duration_ms, status }, caller) => {
    const call = { toolName: tool_name, input, output, durationMs: duration_ms, status }
    return toolCallWire(caller.runId, await recordToolCall(ctx, attemptOf(caller), call))
  })
  implement(app, contract.outputRun, async ({ output_key, key, schema, value }, caller) => {
    const outputKey = output_key ?? key
    if (outputKey === undefined) throw refuseField('output_key', 'is required')
    const output = { outputKey, schema, value }
    return outputWire(caller.runId, await writeOutput(ctx, attemptOf(caller), output))
  })
  implement(app, contract.streamChunk, async ({ chunk, stream_id, done }, caller) => {
    await writeChunk(ctx, attemptOf(caller), { chunk, streamId: stream_id, done })
    return { status: 'ok' as const }
  })
}

const checkBare = checkOf(contract.ANNOTATIONS)
const checkNamed = checkOf(Type.Object({ annotations: contract.ANNOTATIONS }))

/** Some clients send the map under a name, and some send it bare. */
function annotationsOf(given: Record<string, unknown>): Record<string, string> {
  const { annotations } = given
  const isNamed = (typeof annotations === 'object' && annotations !== null) || Object.keys(given).length === 0
  const fields = isNamed ? checkNamed(given) : checkBare(given)
  if (fields) throw refuse('invalid', { fields })
  return (isNamed ? annotations : given) as Record<string, string>
}

function stateRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.getPayload, async (_, caller) => (await findRunBody(ctx.sql, caller.runId))?.payload ?? null)
  implement(app, contract.stateRun, async ({ key, value }, caller) =>
    stateWire(caller.runId, await setValue(ctx, attemptOf(caller), { key, value })),
  )
  implement(app, contract.listStateOfRun, async ({ limit, cursor }, caller, request, reply) =>
    pageOfState(ctx, { request, reply, limit, cursor }, await requireRun(ctx, caller.projectId, caller.runId)),
  )
  implement(app, contract.getStateOfRun, async ({ key }, caller) => {
    const row = await findValue(ctx.sql, caller.runId, key)
    if (!row) throw refuse('value_not_found', { key })
    return stateWire(caller.runId, row)
  })
  implement(app, contract.deleteState, async ({ key }, caller) => {
    await forgetValue(ctx, attemptOf(caller), key)
    return undefined
  })
}

function courseRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, course.completeRun, async ({ result }, caller) => end(ctx, caller, { kind: 'completed', result }))
  implement(app, course.failRun, async ({ error }, caller) =>
    end(ctx, caller, { kind: 'failed', error: errorText(error), retryable: false, forGood: true }),
  )
  implement(
    app,
    course.spawnRun,
    async ({ job_slug, job_id, project_id, payload, priority, ...waits }, caller, request) => {
      const job = job_slug ?? job_id
      if (job === undefined) throw refuseField('job_slug', 'is required')
      if (project_id !== undefined && project_id !== caller.projectId)
        throw straitRefusal(403, 'project_id is not the project of this run')
      const parent = {
        ...attemptOf(caller),
        parentRunId: caller.runId,
        ...(waits.await_completion && { awaitCompletion: { timeoutSecs: waits.await_timeout_secs } }),
      }
      const { run } = await spawnRun(ctx, job, { payload, priority, idempotencyKey: idempotencyKeyOf(request) }, parent)
      return {
        id: run.publicId,
        job_id: run.jobId!,
        project_id: run.projectId,
        status: run.state,
        parent_run_id: caller.runId,
        triggered_by: 'spawn' as const,
        ...(waits.await_completion && { await_completion: true, await_event_key: awaitKey(run.publicId) }),
      }
    },
  )
  implement(app, course.continueRun, async ({ payload }, caller) =>
    runOf(ctx, await continueRun(ctx, attemptOf(caller), { payload })),
  )
  implement(app, course.waitForEventRun, async ({ event_key, timeout_secs }, caller) => {
    const asked = { eventKey: event_key, timeoutSecs: timeout_secs }
    const { waitId, expiresAt } = await waitForEvent(ctx, attemptOf(caller), asked)
    return { status: 'waiting' as const, event_key, expires_at: expiresAt.toISOString(), trigger_id: waitId }
  })
}

const runOf = async (ctx: Ctx, run: RunRow) => straitRun(run, await findRunBody(ctx.sql, run.id))

/** The line that was just written, as a reader will find it. */
async function lineOf(ctx: Ctx, caller: RunCaller, { sequence }: { sequence: number }) {
  const page = await readRunLog(ctx.sql, {
    runId: caller.runId,
    // It is no older than this request: older partitions need not be searched.
    runCreatedAt: new Date(ctx.nowMs()),
    afterSequence: sequence - 1,
    limit: 1,
    deltas: true,
  })
  return eventWire(page!.rows[0]!)
}

type Course =
  | { kind: 'completed'; result?: unknown }
  | { kind: 'failed'; error: string; retryable: false; forGood: true }

async function end(ctx: Ctx, caller: RunCaller, how: Course) {
  const { runId, leaseToken: token, actor } = caller
  const [ended] = await endAttempts(ctx, [{ ...how, runId, token, actor, evenWaiting: true }])
  if (ended instanceof Error) throw ended
  return runOf(ctx, await requireRun(ctx, caller.projectId, runId))
}
