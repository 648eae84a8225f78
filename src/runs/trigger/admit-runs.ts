// The door of runs whose job has a rate limit or a debounce: a trigger makes a run, is merged into one, or is refused.
// All of it is one transaction under the locks of the keys, so two nodes never count, or merge, past each other.
import { batched } from '#bell/part.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { appendIn } from '#log/append-event.ts'
import type { Db } from '#postgres/sql.ts'
import { insertRunsIn } from '#run-state/insert/insert-run.ts'
import type { NewRun } from '#run-state/insert/insert-runs.sql.ts'
import { countTriggers, insertRefusalMarks, insertTriggerMarks, lockFlowKeys, readKeyHolders } from './admission.sql.ts'
import type { Admission, Admitted } from './admission.ts'
import { mergeRuns } from './merge-runs.ts'

/** One run, written together with those that others trigger meanwhile. */
export const admitRun = batched<NewRun, Admitted>(
  'The queue of triggers',
  (ctx, runs) => transact<Admitted[]>(ctx, (tx) => admitRuns(tx, runs)),
  { keyOf: (run) => run.idempotency && `${run.jobId} ${run.idempotency.key}` },
)

/** Items of one call must not share an idempotency key. Answers in the order of `runs`. */
export async function admitRuns(tx: Tx, runs: readonly NewRun[]): Promise<Admitted[]> {
  const admissions: Admission[] = runs.map((run) => ({ run }))
  const flowing = admissions.filter(({ run }) => run.flow)
  if (flowing.length > 0) {
    await lockFlowKeys(
      tx,
      flowing.flatMap(({ run }) => lockNamesOf(run)),
    )
    await answerRepeats(tx, flowing)
    await limitRates(tx, flowing)
    await mergeRuns(tx, flowing)
  }
  const left = admissions.filter(({ answer }) => !answer)
  const inserted =
    left.length === 0
      ? []
      : await insertRunsIn(
          tx,
          left.map(({ run }) => run),
        )
  left.forEach((admission, index) => {
    admission.answer = inserted[index]!
  })
  await markTriggers(tx, flowing)
  return admissions.map(({ answer }) => answer!)
}

/** Idempotency keys too: they are taken in more than one statement, and two batches must not wait for each other. */
const lockNamesOf = ({ jobId, flow, idempotency }: NewRun): string[] => [
  ...(idempotency ? [`key ${jobId} ${idempotency.key}`] : []),
  ...(flow?.rateLimit ? [`rate ${jobId} ${flow.rateLimit.key}`] : []),
  ...(flow?.debounce ? [`debounce ${jobId} ${flow.debounce.key}`] : []),
]

const nameOf = ({ jobId, key }: { jobId: string; key: string }): string => `${jobId} ${key}`

/** A repeated idempotency key is answered with its run: it neither counts nor is refused. */
async function answerRepeats(tx: Db, admissions: readonly Admission[]): Promise<void> {
  const keyed = admissions.flatMap(({ run }) =>
    run.idempotency ? [{ jobId: run.jobId, key: run.idempotency.key }] : [],
  )
  if (keyed.length === 0) return
  const holders = new Map((await readKeyHolders(tx, keyed)).map((holder) => [nameOf(holder), holder]))
  for (const admission of admissions) {
    const { jobId, idempotency } = admission.run
    const holder = idempotency && holders.get(nameOf({ jobId, key: idempotency.key }))
    if (holder) admission.answer = { outcome: 'key_taken', runId: holder.runId, fingerprint: holder.fingerprint }
  }
}

type Limited = { admission: Admission; jobId: string; key: string; limit: number; periodSecs: number }

const limitedOf = (admissions: readonly Admission[]): Limited[] =>
  admissions.flatMap((admission) => {
    const { jobId, flow } = admission.run
    return flow?.rateLimit ? [{ admission, jobId, ...flow.rateLimit }] : []
  })

async function limitRates(tx: Tx, admissions: readonly Admission[]): Promise<void> {
  const limited = limitedOf(admissions.filter(({ answer }) => !answer))
  if (limited.length === 0) return
  const keys = new Map(limited.map((it) => [nameOf(it), it]))
  const counts = new Map((await countTriggers(tx, [...keys.values()])).map((it) => [nameOf(it), it]))
  const refused = new Map<string, Limited & { retryAfterMs: number }>()
  for (const it of limited) {
    const count = counts.get(nameOf(it))!
    count.n++
    if (count.n <= it.limit) continue
    // Nothing else counts yet where the triggers of this very call are too many.
    const retryAfterMs = Math.max(1, count.freeInMs ?? it.periodSecs * 1000)
    it.admission.answer = {
      outcome: 'rate_limited',
      key: it.key,
      limit: it.limit,
      periodSecs: it.periodSecs,
      retryAfterMs,
    }
    refused.set(nameOf(it), { ...it, retryAfterMs })
  }
  await tellRefusals(tx, refused)
}

/** Once for each key until it is accepted again: whoever triggers too often must not fill the log. */
async function tellRefusals(tx: Tx, refused: ReadonlyMap<string, Limited & { retryAfterMs: number }>): Promise<void> {
  if (refused.size === 0) return
  const marks = [...refused.values()].map(({ jobId, key, retryAfterMs }) => ({ jobId, key, forMs: retryAfterMs }))
  const untold = await insertRefusalMarks(tx, marks)
  const events = untold.map((it) => {
    const { admission, jobId, key, limit, periodSecs } = refused.get(nameOf(it))!
    const { projectId, actor, correlationId, causationId } = admission.run
    const data = { ...(key !== '' && { key }), limit, period_secs: periodSecs }
    return {
      ...{ projectId, actor, correlationId, causationId, data },
      type: 'job.rate_limited',
      resourceType: 'job',
      resourceId: jobId,
      level: 'warn',
    }
  })
  if (events.length > 0) await appendIn(tx, events)
}

/** What was accepted counts, also when it was merged. */
async function markTriggers(tx: Db, admissions: readonly Admission[]): Promise<void> {
  const accepted = admissions.filter(({ answer }) => answer!.outcome === 'created' || answer!.outcome === 'debounced')
  const marks = limitedOf(accepted).map(({ jobId, key, periodSecs }) => ({ jobId, key, forMs: periodSecs * 1000 }))
  if (marks.length > 0) await insertTriggerMarks(tx, marks)
}
