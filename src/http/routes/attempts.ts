import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import * as endings from '#contract/runs/endings.ts'
import * as contract from '#contract/runs/executor.ts'
import * as values from '#contract/runs/values.ts'
import { refuse, refuseField } from '#core/error.ts'
import { printJson } from '#core/json/json.ts'
import { shownMicrousd } from '#core/usage/cost.ts'
import { findRunBody } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import {
  type Attempt,
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
import { type Ending, endAttempts } from '#runs/attempts/end-attempts.ts'
import { renewLease } from '#runs/attempts/heartbeat.ts'
import { type Booked, recordUsage } from '#runs/attempts/record-usage.ts'
import { spawnRun } from '#runs/control/spawn-run.ts'
import { agentOfRun } from '#usage/spend.ts'
import type { RunCaller } from '../caller.ts'
import { idempotencyKeyOf } from '../caller.ts'
import { implement } from '../implement.ts'
import { runWire } from '../wire/run-wire.ts'
import { toWire } from '../wire/words.ts'

const VALUE_BYTES_MAX = 64 * 1024
const RESULT_BYTES_MAX = 1024 * 1024

export function attemptRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.getPayload, async (_, caller) => (await findRunBody(ctx.sql, caller.runId))?.payload ?? null)
  implement(app, contract.writeLog, async ({ level, message, data, type }, caller) =>
    receipt(caller, await writeLog(ctx, attemptOf(caller), { level, message, data, type })),
  )
  implement(app, contract.reportProgress, async ({ percent, message, step, eta_secs }, caller) =>
    receipt(caller, await reportProgress(ctx, attemptOf(caller), { percent, message, step, etaSecs: eta_secs })),
  )
  implement(app, contract.annotateRun, async ({ annotations }, caller) => {
    await annotateRun(ctx, attemptOf(caller), annotations)
    return runOf(ctx, caller)
  })
  implement(app, contract.heartbeat, async (_, { runId, leaseToken }) => {
    const beat = await renewLease(ctx, { runId, token: leaseToken })
    return { status: 'ok' as const, told: beat.told, lease_expires_in_ms: Math.max(0, Math.floor(beat.expiresInMs)) }
  })
  implement(app, contract.writeCheckpoint, async ({ source, state: kept }, caller) => {
    const { state: _, ...row } = await writeCheckpoint(ctx, attemptOf(caller), { source, state: kept })
    return { run_id: caller.runId, ...toWire(row) }
  })
  usageRoute(app, ctx)
  implement(app, contract.recordToolCall, async ({ tool_name, input, output, duration_ms, status, step }, caller) => {
    const row = await recordToolCall(ctx, attemptOf(caller), {
      toolName: tool_name,
      input,
      output,
      durationMs: duration_ms,
      status,
      step,
    })
    return { run_id: caller.runId, ...toWire(row) }
  })
  implement(app, contract.writeOutput, async ({ output_key, key, schema, value }, caller) => {
    const outputKey = output_key ?? key
    if (outputKey === undefined) throw refuseField('output_key', 'is required')
    const row = await writeOutput(ctx, attemptOf(caller), { outputKey, schema, value })
    return { run_id: caller.runId, ...toWire(row) }
  })
  implement(app, contract.spawnRun, async ({ job, idempotency_key, concurrency_key, ...input }, caller, request) => {
    const { payload, priority, tags, metadata, preset, detached } = input
    const asked = {
      payload,
      priority,
      tags,
      metadata,
      preset,
      detached,
      concurrencyKey: concurrency_key,
      idempotencyKey: idempotencyKeyOf(request, idempotency_key),
    }
    const { run, replayed } = await spawnRun(ctx, job, asked, {
      projectId: caller.projectId,
      actor: caller.actor,
      parentRunId: caller.runId,
      token: caller.leaseToken,
      key: input.key,
      ...(input.await_completion && { awaitCompletion: { timeoutSecs: input.await_timeout_secs } }),
    })
    return { status: replayed ? 200 : 201, body: { ...runWire(run), ...(replayed && { replayed }) } } as const
  })
  implement(app, contract.writeChunk, async ({ chunk, stream_id, done }, caller) => {
    const { sequence } = await writeChunk(ctx, attemptOf(caller), { chunk, streamId: stream_id, done })
    return { status: 'ok' as const, sequence }
  })
}

function usageRoute(app: FastifyInstance, ctx: Ctx): void {
  implement(
    app,
    contract.recordUsage,
    async ({ provider, model, prompt_tokens, completion_tokens, total_tokens, cost_microusd, ...parts }, caller) => {
      checkPart('cached_tokens', parts.cached_tokens, prompt_tokens)
      checkPart('reasoning_tokens', parts.reasoning_tokens, completion_tokens)
      const run = await requireRun(ctx, caller.projectId, caller.runId)
      const { row, over } = await recordUsage(ctx, attemptOf(caller), {
        provider,
        model,
        promptTokens: prompt_tokens,
        completionTokens: completion_tokens,
        totalTokens: total_tokens,
        cachedTokens: parts.cached_tokens,
        reasoningTokens: parts.reasoning_tokens,
        costMicrousd: cost_microusd,
        jobId: run.jobId,
        agentId: agentOfRun(run),
      })
      return { run_id: caller.runId, ...toWire(row), ...overWire(over) }
    },
  )
}

/** State values, for later attempts of the run. */
export function stateRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, values.setState, async ({ key, value }, caller) => {
    checkSize('value', value, VALUE_BYTES_MAX)
    return { run_id: caller.runId, ...toWire(await setValue(ctx, attemptOf(caller), { key, value })) }
  })
  implement(app, values.deleteState, async ({ key }, caller) => {
    await forgetValue(ctx, attemptOf(caller), key)
    return undefined
  })
}

/** How a running attempt, or a handler after a 202, ends the attempt itself. */
export function endingRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, endings.completeRun, async ({ result }, caller) => {
    checkSize('result', result, RESULT_BYTES_MAX)
    return end(ctx, caller, { kind: 'completed', result })
  })
  implement(app, endings.failRun, async ({ error, error_code, retryable }, caller) =>
    end(ctx, caller, {
      kind: 'failed',
      error: errorText(error),
      errorCode: error_code,
      retryable,
      forGood: !retryable,
    }),
  )
  implement(app, endings.yieldRun, async (_, caller) => end(ctx, caller, { kind: 'returned' }))
}

const runOf = async (ctx: Ctx, caller: RunCaller) => runWire(await requireRun(ctx, caller.projectId, caller.runId))

/** An ending without the lease that fences it. */
type Course = { kind: 'completed'; result?: unknown } | Extract<Ending, { kind: 'failed' }> | object

async function end(ctx: Ctx, caller: RunCaller, course: Course) {
  const { runId, leaseToken: token, actor } = caller
  const [ended] = await endAttempts(ctx, [{ ...course, runId, token, actor, evenWaiting: true } as Ending])
  if (ended instanceof Error) throw ended
  return runOf(ctx, caller)
}

export const attemptOf = ({ projectId, runId, attempt, leaseToken, actor }: RunCaller): Attempt => ({
  projectId,
  runId,
  attempt,
  token: leaseToken,
  actor,
})

/** Present only when a budget is overdrawn. */
export const overWire = (over: Booked['over']) =>
  over && {
    over_budget: {
      reason: over.reason,
      limit_microusd: over.limitMicrousd,
      spent_microusd: shownMicrousd(over.spent),
      action: over.action,
      observed: over.observed,
    },
  }

const receipt = (
  caller: RunCaller,
  { id, position, sequence }: { id: string | null; position: number | null; sequence: number },
) => ({
  id,
  position,
  sequence,
  run_id: caller.runId,
})

/** The message to store for an error that may be an object. */
export const errorText = (error: unknown): string => {
  if (typeof error === 'string') return error
  const { message } = (error ?? {}) as { message?: unknown }
  return typeof message === 'string' ? message : JSON.stringify(error ?? null)
}

function checkPart(field: string, part: number | undefined, whole: number): void {
  if (part !== undefined && part > whole) throw refuseField(field, `exceed the ${whole} tokens that they are a part of`)
}

function checkSize(what: string, value: unknown, bytesMax: number): void {
  if (value !== undefined && Buffer.byteLength(printJson(value)) > bytesMax)
    throw refuse('too_large', { what: `The ${what}`, bytesMax })
}
