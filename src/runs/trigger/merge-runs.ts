// Debouncing: triggers of one key are one run until it begins. Each of them replaces its payload and puts it off.
import type { Tx } from '#bell/transact.ts'
import type { Db } from '#postgres/sql.ts'
import { insertRunsIn } from '#run-state/insert/insert-run.ts'
import type { InsertedRun, NewRun } from '#run-state/insert/insert-runs.sql.ts'
import { moveRunsIn } from '#run-state/move/move-run.ts'
import type { RunChange } from '#run-state/move/move-runs.sql.ts'
import {
  countMerged,
  type JobStanding,
  lockOpenDebounces,
  type OpenDebounce,
  putDebounces,
  readJobStandings,
  takeKeys,
} from './admission.sql.ts'
import type { Admission } from './admission.ts'

/** Triggers of one key, in their order. */
type Group = {
  jobId: string
  jobVersion: number
  key: string
  periodMs: number
  maxDelayMs: number
  admissions: Admission[]
}

/** Answers all debounced triggers that have no answer yet. The caller holds the locks of their keys. */
export async function mergeRuns(tx: Tx, admissions: readonly Admission[]): Promise<void> {
  const groups = groupsOf(admissions)
  if (groups.length === 0) return
  const open = new Map((await lockOpenDebounces(tx, groups)).map((it) => [nameOf(it), it]))
  await refuseByJob(
    tx,
    groups.filter((group) => open.has(nameOf(group))),
  )
  await mergeInto(
    tx,
    groups.flatMap((group) => {
      const into = open.get(nameOf(group))
      return into ? [{ group, into }] : []
    }),
  )
  await beginRuns(
    tx,
    groups.filter((group) => !open.has(nameOf(group))),
  )
}

const nameOf = ({ jobId, key }: { jobId: string; key: string }): string => `${jobId} ${key}`

const leftOf = ({ admissions }: Group): Admission[] => admissions.filter(({ answer }) => !answer)

function groupsOf(admissions: readonly Admission[]): Group[] {
  const groups = new Map<string, Group>()
  for (const admission of admissions) {
    const { jobId, jobVersion, flow } = admission.run
    if (admission.answer || !flow?.debounce) continue
    const name = nameOf({ jobId, key: flow.debounce.key })
    const group = groups.get(name) ?? { jobId, jobVersion, ...flow.debounce, admissions: [] }
    group.admissions.push(admission)
    groups.set(name, group)
  }
  return [...groups.values()]
}

/** A trigger that makes no run is judged as the statement that inserts runs would judge it. */
async function refuseByJob(tx: Db, groups: readonly Group[]): Promise<void> {
  if (groups.length === 0) return
  const jobs = new Map(
    (
      await readJobStandings(
        tx,
        groups.map(({ jobId }) => jobId),
      )
    ).map((job) => [job.id, job]),
  )
  for (const admission of groups.flatMap(leftOf)) {
    const outcome = problemOf(admission.run, jobs.get(admission.run.jobId))
    if (outcome) admission.answer = { outcome }
  }
}

function problemOf(run: NewRun, job: JobStanding | undefined) {
  if (!job) return 'job_missing'
  if (job.version !== run.jobVersion || job.dependencies !== (run.dependencies ?? 0)) return 'job_changed'
  if (!job.enabled) return 'job_disabled'
  return job.refuses ? 'job_paused' : undefined
}

type Merge = { group: Group; into: Pick<OpenDebounce, 'runId' | 'leftMs'> }

async function mergeInto(tx: Tx, merges: readonly Merge[]): Promise<void> {
  await takeKeysFor(tx, merges)
  const merged = merges.filter(({ group }) => leftOf(group).length > 0)
  if (merged.length === 0) return
  const moved = await moveRunsIn(tx, merged.map(changeOf))
  const failed = moved.find(({ outcome }) => outcome !== 'moved')
  if (failed) throw new Error(`a debounced run whose row is locked did not move: ${failed.outcome}`)
  const counts = merged.map(({ group }) => ({ ...group, triggers: leftOf(group).length }))
  await countMerged(tx, counts)
  for (const { group, into } of merged)
    for (const admission of leftOf(group)) admission.answer = { outcome: 'debounced', runId: into.runId }
}

function changeOf({ group, into }: Merge): RunChange {
  const left = leftOf(group)
  const { actor, causationId, payload, ttlSecs } = left.at(-1)!.run
  return {
    runId: into.runId,
    move: 'debounce',
    actor,
    ...(causationId !== undefined && { causationId }),
    ...(ttlSecs !== undefined && { ttlMs: ttlSecs * 1000 }),
    dueInMs: Math.max(0, Math.min(group.periodMs, into.leftMs)),
    payload: payload ?? null,
    data: { replaced: 'payload', triggers: left.length },
  }
}

/** Somebody else has taken the key of a trigger just now: it looks again, and finds whose it is. */
async function takeKeysFor(tx: Db, merges: readonly Merge[]): Promise<void> {
  const keyed = merges.flatMap(({ group, into }) =>
    leftOf(group).flatMap((admission) => {
      const { jobId, idempotency } = admission.run
      return idempotency ? [{ admission, jobId, ...idempotency, runId: into.runId }] : []
    }),
  )
  if (keyed.length === 0) return
  const taken = new Set((await takeKeys(tx, keyed)).map(nameOf))
  for (const it of keyed) if (!taken.has(nameOf(it))) it.admission.answer = { outcome: 'job_changed' }
}

/** The first trigger of each key makes the run, with the payload of the last. */
async function beginRuns(tx: Tx, groups: readonly Group[]): Promise<void> {
  if (groups.length === 0) return
  const runs = groups.map(({ admissions }) => ({ ...admissions[0]!.run, payload: admissions.at(-1)!.run.payload }))
  const inserted = await insertRunsIn(tx, runs)
  const begun = groups.flatMap((group, index) => {
    settleFirst(group, inserted[index]!)
    return inserted[index]!.outcome === 'created' ? [{ ...group, runId: runs[index]!.id, triggers: 1 }] : []
  })
  if (begun.length === 0) return
  await putDebounces(tx, begun)
  await mergeInto(
    tx,
    begun.map((group) => ({ group, into: { runId: group.runId, leftMs: group.maxDelayMs } })),
  )
}

/** Where the first of a key makes no run, the others share the reason, unless it is the first's own key. */
function settleFirst({ admissions }: Group, inserted: InsertedRun): void {
  const [first, ...others] = admissions
  first!.answer = inserted
  if (inserted.outcome === 'created') return
  for (const other of others) other.answer = inserted.outcome === 'key_taken' ? { outcome: 'job_changed' } : inserted
}
