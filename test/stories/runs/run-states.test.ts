import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Ctx } from '#bell/ctx.ts'
import { Refusal } from '#core/error.ts'
import { RUN_MOVES, RUN_STATES, type RunMove, type RunState } from '#core/run.ts'
import type { ClaimedRun } from '#run-state/claim/claim-runs.sql.ts'
import { moveRun } from '#run-state/move/move-run.ts'
import { moveRuns } from '#run-state/move/move-runs.sql.ts'
import { newWait } from '#run-state/move/wait-parts.sql.ts'
import { listRuns } from '#run-state/read/list-runs.sql.ts'
import { makeClaimer } from '#runs/attempts/claimer.ts'
import { endAttempts } from '#runs/attempts/end-attempts.ts'
import { beatLeases } from '#runs/attempts/leases.sql.ts'
import { reaper } from '#runs/attempts/reaper.duty.ts'
import { cancelRun } from '#runs/control/cancel-runs.ts'
import { continueRun } from '#runs/control/continue-run.ts'
import { redriveRun, resumeRun } from '#runs/control/move-by-hand.ts'
import { pauseRun } from '#runs/control/pause-run.ts'
import { restartRun } from '#runs/control/restart-run.ts'
import { spawnRun } from '#runs/control/spawn-run.ts'
import { triggerRun } from '#runs/trigger/trigger-runs.ts'
import { sendEventNow } from '#runs/waits/send-event.ts'
import { timers } from '#runs/waits/timers.duty.ts'
import { waits } from '#runs/waits/waits.duty.ts'
import { waitForEvent } from '#runs/waits/waits.ts'
import { expectTrueStories } from '../../support/story.ts'
import { addJob, NEVER, sweepYard, TESTER, testYard } from '../../support/yard.ts'

// What may happen to a yard of runs. Each picks its victim by a number, so that the same script always does the same.
type Step =
  | { do: 'trigger'; delayed: boolean }
  | { do: 'claim'; limit: number; into: 'executing' | 'dequeued' }
  | { do: 'start' | 'complete' | 'fail' | 'failForGood' | 'giveBack' | 'settlePaused' | 'beat'; pick: number }
  | { do: 'cancel' | 'pause' | 'resume' | 'redrive' | 'restart' | 'send'; pick: number }
  | { do: 'wait' | 'spawnAwait' | 'continue'; pick: number }
  | { do: 'jump'; what: 'leases' | 'deadlines' | 'timers' | 'waits' }
  | { do: 'reap' | 'due' | 'endWaits' }

const pick = fc.nat(30)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('trigger' as const), delayed: fc.boolean() }),
  fc.record({
    do: fc.constant('claim' as const),
    limit: fc.integer({ min: 1, max: 5 }),
    into: fc.constantFrom('executing' as const, 'dequeued' as const),
  }),
  fc.record({
    do: fc.constantFrom(
      'start' as const,
      'complete' as const,
      'fail' as const,
      'failForGood' as const,
      'giveBack' as const,
      'settlePaused' as const,
      'beat' as const,
    ),
    pick,
  }),
  fc.record({
    do: fc.constantFrom(
      'cancel' as const,
      'pause' as const,
      'resume' as const,
      'redrive' as const,
      'restart' as const,
      'send' as const,
    ),
    pick,
  }),
  fc.record({ do: fc.constantFrom('wait' as const, 'spawnAwait' as const, 'continue' as const), pick }),
  fc.record({
    do: fc.constant('jump' as const),
    what: fc.constantFrom('leases' as const, 'deadlines' as const, 'timers' as const, 'waits' as const),
  }),
  fc.record({ do: fc.constantFrom('reap' as const, 'due' as const, 'endWaits' as const) }),
)

/** Does a step; what is refused is as good as what is done, as long as the log stays true. */
async function take(ctx: Ctx, claims: ClaimedRun[], it: Step): Promise<void> {
  const nth = <T>(list: readonly T[], at: number): T | undefined => list[at % Math.max(1, list.length)]
  const target = async (at: number) =>
    nth(await listRuns(ctx.sql, { projectId: 'default', order: 'oldest', limit: 50 }), at)
  switch (it.do) {
    case 'trigger':
      await triggerRun(ctx, 'yard', it.delayed ? { delaySecs: 3600 } : {}, {
        projectId: 'default',
        actor: TESTER,
        triggeredBy: 'manual',
      })
      return
    case 'claim': {
      const claimer = makeClaimer(ctx)
      const { runs } = await claimer.claim({
        queues: ['default'],
        owner: 'w',
        actor: { type: 'worker', id: 'w' },
        leaseSecs: 15,
        limit: it.limit,
        into: it.into,
      })
      claims.push(...runs)
      return
    }
    case 'jump':
      // The database's clock decides, so the times jump instead of the clock.
      if (it.what === 'timers') await ctx.sql`update run_queue set due_at = now() - interval '1 s' where not ready`
      if (it.what === 'waits') await ctx.sql`update waits set expires_at = now() - interval '1 s' where kind = 'event'`
      if (it.what === 'leases') await ctx.sql`update leases set expires_at = now() - interval '1 s'`
      if (it.what === 'deadlines')
        await ctx.sql`update leases set expires_at = now() - interval '1 s', deadline_at = now() - interval '1 s' where deadline_at is not null`
      return
    case 'reap':
      await reaper(ctx).tick(NEVER)
      return
    case 'due':
      await timers(ctx).tick(NEVER)
      return
    case 'endWaits':
      await waits(ctx).tick(NEVER)
      return
    case 'send': {
      const run = await target(it.pick)
      if (run)
        await sendEventNow(ctx, { projectId: 'default', actor: TESTER, eventKey: run.id, payload: { sent: true } })
      return
    }
    case 'cancel':
    case 'pause':
    case 'resume':
    case 'redrive':
    case 'restart': {
      const run = await target(it.pick)
      const act = { cancel: cancelRun, pause: pauseRun, resume: resumeRun, redrive: redriveRun, restart: restartRun }[
        it.do
      ]
      if (run) await act(ctx, { projectId: 'default', actor: TESTER, runId: run.publicId })
      return
    }
    default: {
      const claim = nth(claims, it.pick)
      if (!claim) return
      const base = { runId: claim.runId, token: claim.token, actor: TESTER }
      const attempt = { projectId: 'default', attempt: claim.attempt, ...base }
      if (it.do === 'wait') await waitForEvent(ctx, attempt, { eventKey: claim.runId, timeoutSecs: 60 })
      else if (it.do === 'continue') await continueRun(ctx, attempt, {})
      else if (it.do === 'spawnAwait')
        await spawnRun(
          ctx,
          'yard',
          {},
          {
            projectId: 'default',
            actor: TESTER,
            parentRunId: claim.runId,
            token: claim.token,
            awaitCompletion: { timeoutSecs: 60 },
          },
        )
      else if (it.do === 'beat') await beatLeases(ctx.sql, [claim])
      else if (it.do === 'start') await moveRun(ctx, { ...base, move: 'start' })
      else if (it.do === 'complete') await endAttempts(ctx, [{ ...base, kind: 'completed', result: { ok: true } }])
      else if (it.do === 'giveBack') await endAttempts(ctx, [{ ...base, kind: 'returned' }])
      else if (it.do === 'settlePaused') await endAttempts(ctx, [{ ...base, kind: 'paused' }])
      else
        await endAttempts(ctx, [
          { ...base, kind: 'failed', error: 'x', retryable: it.do === 'fail', forGood: it.do === 'failForGood' },
        ])
    }
  }
}

const allowRefusal = (error: unknown): void => {
  if (!(error instanceof Refusal)) throw error
}

test('whatever is done to runs one after the other, the log tells a legal life and all tables agree with it', {
  timeout: 120_000,
}, async () => {
  const { ctx, sql, rung } = await testYard()
  await addJob(ctx, 'yard')
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      await sweepYard(sql)
      const claims: ClaimedRun[] = []
      let before = await placesOf(ctx)
      for (const it of steps) {
        rung.length = 0
        await take(ctx, claims, it).catch(allowRefusal)
        const now = await placesOf(ctx)
        expect(unrung(before, now, rung), JSON.stringify(it)).toEqual([])
        before = now
      }
      await expectTrueStories(sql)
    }),
    { numRuns: 40 },
  )
})

test('whatever is done to runs at the same time, the log tells a legal life and all tables agree with it', {
  timeout: 120_000,
}, async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'yard')
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { minLength: 2, maxLength: 6 }), { minLength: 5, maxLength: 12 }),
      async (rounds) => {
        await sweepYard(sql)
        for (let i = 0; i < 4; i++) await take(ctx, [], { do: 'trigger', delayed: false })
        const claims: ClaimedRun[] = []
        for (const round of rounds) await Promise.all(round.map((it) => take(ctx, claims, it).catch(allowRefusal)))
        await expectTrueStories(sql)
      },
    ),
    { numRuns: 40 },
  )
})

test('every move is made from every state that the table allows, and from no other', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'yard')
  for (const move of Object.keys(RUN_MOVES) as RunMove[]) {
    for (const state of RUN_STATES) {
      const { run } = await triggerRun(ctx, 'yard', {}, { projectId: 'default', actor: TESTER, triggeredBy: 'manual' })
      await putInto(ctx, run.id, state)
      const before = await stateOf(ctx, run.id)
      const [changed] = await moveRuns(sql, [{ runId: run.id, move, actor: TESTER, dueInMs: 60_000, wait: ANY_WAIT() }])
      const legal = RUN_MOVES[move].from.includes(state)
      const expected = legal ? 'moved' : RUN_MOVES[move].to === state ? 'already' : 'refused'
      expect(changed!.outcome, `${move} from ${state}`).toBe(expected)
      expect((await stateOf(ctx, run.id)).state).toBe(legal ? RUN_MOVES[move].to : state)
      if (!legal)
        expect((await stateOf(ctx, run.id)).last_sequence, 'no event without a move').toBe(before.last_sequence)
    }
  }
})

/** A run cannot wait for nothing. */
const ANY_WAIT = () => newWait('event', { eventKey: randomUUID() })

const stateOf = async (ctx: Ctx, runId: string) => {
  const [row] = await ctx.sql<
    { state: RunState; last_sequence: number }[]
  >`select state, last_sequence from run_states where run_id = ${runId}`
  return row!
}

type Place = { run_id: string; sequence: number; ready: boolean }

const placesOf = async ({ sql }: Ctx): Promise<Map<string, Place>> => {
  const rows = await sql<Place[]>`
    select s.run_id, s.last_sequence as sequence, coalesce(q.ready, false) as ready
    from run_states s left join run_queue q using (run_id)`
  return new Map(rows.map((row) => [row.run_id, row]))
}

/** Topics at which there is something new, and which nobody rang. */
function unrung(before: ReadonlyMap<string, Place>, now: ReadonlyMap<string, Place>, rung: readonly string[]) {
  const wanted = [...now.values()].flatMap(({ run_id, sequence, ready }) => {
    const was = before.get(run_id)
    if (was?.sequence === sequence) return []
    return ['tail', ...(was ? [`run:${run_id}`] : []), ...(ready && !was?.ready ? ['queue:default'] : [])]
  })
  return wanted.filter((topic) => !rung.includes(topic))
}

/** The shortest way through the table from `queued`. */
async function putInto(ctx: Ctx, runId: string, wanted: RunState): Promise<void> {
  const way = new Map<RunState, RunMove[]>([['queued', []]])
  for (const [state, moves] of way) {
    for (const [move, { from, to }] of Object.entries(RUN_MOVES) as [RunMove, (typeof RUN_MOVES)[RunMove]][]) {
      if (from.includes(state) && !way.has(to)) way.set(to, [...moves, move])
    }
  }
  for (const move of way.get(wanted)!) {
    const [changed] = await moveRuns(ctx.sql, [{ runId, move, actor: TESTER, dueInMs: 60_000, wait: ANY_WAIT() }])
    expect(changed!.outcome).toBe('moved')
  }
}
