// New runs: the run, its state, its body, its place in the queue, its idempotency key and its first event, for up
// to 500 runs in one statement. Single and batch triggers, cron, spawns and replays all come through here.
import { isEmpty, saysOnly } from '#core/own.ts'
import { slotValuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'
import {
  type Inserted,
  insertStatement,
  PLAIN_INPUT,
  plainInsertStatement,
  WHOLE_INPUT,
} from './insert-statement.sql.ts'
import type { InsertedRun, NewRun } from './new-run.sql.ts'

export type { InsertedRun, NewRun } from './new-run.sql.ts'

/** Such a run needs no more than its job, its payload and its turn: most are so, and their statement is shorter. */
const isPlain = (run: NewRun): boolean => isEmpty(run.tags) && isEmpty(run.metadata) && saysOnly(run, PLAIN)

const PLAIN: ReadonlySet<string> = new Set([
  'id',
  'projectId',
  'jobId',
  'jobVersion',
  'actor',
  'correlationId',
  'triggeredBy',
  'payload',
  'rank',
  'timeoutSecs',
  'maxAttempts',
  'ttlSecs',
  'tags',
  'metadata',
  'concurrencyKey',
  'batchId',
] satisfies (keyof NewRun)[])

/** Items of one call must not share an idempotency key. Answers in the order of `runs`. */
export async function insertRuns(sql: Db, runs: readonly NewRun[]): Promise<InsertedRun[]> {
  const rows = runs.every(isPlain)
    ? await plainInsertStatement(sql, slotValuesOf<NewRun>(PLAIN_INPUT, runs))
    : await insertStatement(sql, slotValuesOf<NewRun>(WHOLE_INPUT, runs))
  const taken = rows.filter((row) => !row.problem && !row.state)
  const holders = taken.length === 0 ? [] : await findKeyHolders(sql, taken)
  const holderOf = new Map(holders.map((holder) => [`${holder.job_id} ${holder.key}`, holder]))
  return rows.map((row) => {
    if (row.problem) return { outcome: row.problem }
    if (row.state) return { outcome: 'created', state: row.state, queue: row.queue, createdAt: row.created_at! }
    const holder = holderOf.get(`${row.job_id} ${row.key}`)
    // Freed between the two statements: the caller asks again, and gets the key.
    return holder
      ? { outcome: 'key_taken', runId: holder.run_id, fingerprint: holder.fingerprint }
      : { outcome: 'job_changed' }
  })
}

const findKeyHolders = (sql: Db, taken: readonly Inserted[]) => sql<
  { job_id: string; key: string; run_id: string; fingerprint: string }[]
>`
  select k.job_id, k.key, k.run_id, encode(k.fingerprint, 'hex') as fingerprint
  from unnest(${taken.map((row) => row.job_id)}::uuid[], ${taken.map((row) => row.key)}::text[]) as t (job_id, key)
  join idempotency_keys k using (job_id, key)`
