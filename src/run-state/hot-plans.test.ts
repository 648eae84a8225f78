// What each hot statement touches for a batch of 500, on tables with many times as many rows: a few rows for each item
// of the batch, and never all pairs of them. With plans that were made when the tables were full, and with those that a
// node makes at its first start, when they are empty.
import { expect, test } from 'vitest'
import { Json } from '#core/json/json.ts'
import { appendEvents } from '#log/append-events.sql.ts'
import { newId } from '#postgres/id.ts'
import { connect, type Db, type Session, type Sql } from '#postgres/sql.ts'
import { suiteDatabase } from '#test/support/db.ts'
import { ACTOR, PROJECT, prepareLog, recordedThrough, type Statement } from '#test/support/log.ts'
import { claimRuns, seatsFor } from './claim/claim-runs.sql.ts'
import { insertRuns, type NewRun } from './insert/insert-runs.sql.ts'
import { moveRuns, type RunChange } from './move/move-runs.sql.ts'

const BATCH = 500
/** Rows that one node of a plan may read or throw away, for each item of the batch. */
const ROWS_EACH_MAX = 4
/** In each lane, and under way. */
const RUNS = 4_000

type Leased = { runId: string; token: string }
const NOBODY: Leased[] = Array.from({ length: BATCH }, () => ({ runId: newId(), token: newId() }))

const HOT_TABLES = ['runs', 'run_states', 'run_bodies', 'run_queue', 'leases', 'idempotency_keys', 'run_labels']

const literal = (value: unknown): string => (value === null ? 'null' : `'${String(value).replaceAll("'", "''")}'`)

const { sql, url } = await suiteDatabase()
const [one, two, three] = [await prepareLog(sql), await prepareLog(sql), await prepareLog(sql)]
await sql`update jobs set queue = 'shared' where id = any(${[two, three]}::uuid[])`

const newRuns = (jobId: string, more: (nth: number) => Partial<NewRun> = () => ({})): NewRun[] =>
  Array.from({ length: BATCH }, (_, nth) => ({
    id: newId(),
    projectId: PROJECT,
    jobId,
    jobVersion: 1,
    actor: ACTOR,
    triggeredBy: 'manual',
    payload: Json.of({ nth }),
    rank: 0,
    timeoutSecs: 300,
    maxAttempts: 3,
    tags: {},
    metadata: {},
    ...more(nth),
  }))

const claimFrom = (db: Db, queue: string, isSimple: boolean) =>
  claimRuns(db as Sql, {
    queues: [queue],
    projectId: PROJECT,
    seats: seatsFor({ owner: 'w', actor: ACTOR, leaseSecs: 300 }, BATCH),
    into: 'executing',
    turn: 1,
    order: 'loose',
    isSimple,
  })

const changesOf = (leased: readonly Leased[], change: Omit<RunChange, 'runId' | 'token' | 'actor'>): RunChange[] =>
  leased.map(({ runId, token }) => ({ runId, token, actor: ACTOR, ...change }))

/** Each makes its statement first, whatever it needs besides. */
const STEPS: Record<string, (db: Db, leased: readonly Leased[]) => Promise<unknown>> = {
  'an insertion of plain runs': (db) => insertRuns(db, newRuns(one)),
  'an insertion of runs with keys and labels': (db) =>
    insertRuns(
      db,
      newRuns(one, (nth) => ({ idempotency: { key: `${newId()}`, fingerprint: '00' }, tags: { nth: `${nth}` } })),
    ),
  'a claim of one lane': (db) => claimFrom(db, one, true),
  'a claim of several lanes': (db) => claimFrom(db, 'shared', false),
  'completions by executors': (db, leased) =>
    moveRuns(db, changesOf(leased, { move: 'complete', from: ['executing'], result: Json.of(1) })),
  'failures that are retried': (db, leased) =>
    moveRuns(db, changesOf(leased, { move: 'retryLater', attempt: 1, nextAttempt: 2, dueInMs: 1_000, error: 'no' })),
  'events of runs': (db, leased) =>
    appendEvents(
      db,
      leased.map(({ runId, token }) => ({ projectId: PROJECT, type: 'noted', actor: ACTOR, runId, token, data: [1] })),
    ),
  'events of nothing else': (db) =>
    appendEvents(
      db,
      NOBODY.map(() => ({ projectId: PROJECT, type: 'noted', actor: ACTOR, data: [1] })),
    ),
}

// Statistics would make plans anew, which is luck that a busy node does not have at once.
for (const table of HOT_TABLES) await sql.unsafe(`alter table ${table} set (autovacuum_enabled = off)`)
await sql`vacuum analyze`
const early = await preparedWith(await statementsFor(NOBODY))
const leased = await load()
const now = await statementsFor(leased)
const plans = new Map([...(await plansOf(early, now))].map(([name, plan]) => [`${name}, planned when empty,`, plan]))
await sql`vacuum analyze`
for (const [name, plan] of await plansOf(await preparedWith(now), now)) plans.set(name, plan)

test.each([...plans])('%s touch a few rows for each of a batch', (_, plan) => {
  const nodes = flat(plan)
  const most = nodes.toSorted((a, b) => touched(b) - touched(a))[0]!
  expect(touched(most), JSON.stringify({ ...most, Plans: undefined })).toBeLessThanOrEqual(BATCH * ROWS_EACH_MAX)
  // Or nothing was measured.
  expect(nodes.filter((node) => node['Node Type'] === 'ModifyTable').some((node) => wrote(node))).toBe(true)
})

/** The statement of each step, which is undone. */
async function statementsFor(leased: readonly Leased[]): Promise<Map<string, Statement>> {
  const made = new Map<string, Statement>()
  for (const [name, step] of Object.entries(STEPS)) {
    const { sql: own, asked } = recordedThrough(url)
    const undone = new Error('undone')
    await own
      .begin(async (tx) => {
        await step(tx, leased)
        throw undone
      })
      .catch((error: unknown) => {
        if (error !== undone) throw error
      })
    await own.end({ timeout: 1 })
    made.set(name, asked.find(({ text }) => /insert into/.test(text))!)
  }
  return made
}

/** A session of the kind that nodes have, in which the statements have their plans. */
async function preparedWith(statements: ReadonlyMap<string, Statement>): Promise<Session> {
  const session = (await connect(url, { max: 1 }).reserve()) as unknown as Session
  for (const [index, { text, parameters }] of [...statements.values()].entries()) {
    await session.unsafe(`prepare s${index} as ${text}`)
    await session.unsafe(`explain execute s${index} (${parameters.map(literal).join(', ')})`)
  }
  return session
}

async function load(): Promise<Leased[]> {
  for (const jobId of [one, one, two, three])
    for (let made = 0; made < RUNS; made += BATCH) await insertRuns(sql, newRuns(jobId))
  const leased: Leased[] = []
  while (leased.length < RUNS) leased.push(...(await claimFrom(sql, one, true)).runs)
  return leased.slice(0, BATCH)
}

type PlanNode = Record<string, unknown> & { 'Node Type': string; Plans?: PlanNode[] }

async function plansOf(session: Session, statements: ReadonlyMap<string, Statement>): Promise<Map<string, PlanNode>> {
  const plans = new Map<string, PlanNode>()
  for (const [index, [name, { parameters }]] of [...statements].entries()) {
    await session.unsafe('begin')
    const [row] = await session.unsafe<{ 'QUERY PLAN': Json }[]>(
      `explain (analyze, timing off, format json) execute s${index} (${parameters.map(literal).join(', ')})`,
    )
    await session.unsafe('rollback')
    plans.set(name, (row!['QUERY PLAN'].value as [{ Plan: PlanNode }])[0].Plan)
  }
  await session.release()
  return plans
}

const flat = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(flat)]

const ROWS = ['Actual Rows', 'Rows Removed by Filter', 'Rows Removed by Join Filter', 'Rows Removed by Index Recheck']

const touched = (node: PlanNode): number =>
  ROWS.reduce((sum, name) => sum + Number(node[name] ?? 0), 0) * Number(node['Actual Loops'] ?? 0)

const wrote = (node: PlanNode): boolean =>
  Number(node['Actual Loops']) > 0 && (node.Plans ?? []).some((below) => touched(below) >= BATCH)
