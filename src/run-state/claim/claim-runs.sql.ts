// Claims: the head of a queue, shared by turns.
//
// The runs of a queue that may be claimed stand in lanes. A lane is what shares one place in the turn order: (queue,
// project, rank, job, concurrency key), oldest first within it. A claim never walks the backlog. It finds the lanes by
// a loose index scan (a recursive CTE that probes the index of the queue once for each lane and jumps over what is
// behind its head), at most 256 of them, decides between lanes, and only then touches runs.
//
// Between lanes three things decide, in this order:
//   1. Limits (admission). A lane of a job with a concurrency limit has as much room as the limit leaves, counted from
//      the leases, and one of a job with a throttle as much as its latest starts leave; a lane without room is not
//      there. Who counts holds the job's advisory lock.
//   2. Priority, within a project only: of each project's lanes those with the most urgent rank are left.
//   3. Turns (round robin). Projects first, then the lanes of each project; who is first moves on by one with each
//      claim of a claimer. So a project with a thousand jobs gets no more than a project with one.
//
// An example. Project A has the jobs `one` and `two`, project B has `three`; each has ten runs of the same priority,
// and a claim wants four. Turn 7: A goes before B, and in A `one` before `two`. Each lane offers ceil(4 / 3) = 2
// heads. Taken are the first of each project, then the second of each: one, three, one, three. Turn 8: B goes before
// A, and `two` before `one`: three, two, three, two. After two turns A and B had four runs each, and A's jobs two
// each. If `two` had a limit of 1 its runs were claimed by claimLimitedRuns, and one at a time; turns of limited and
// other jobs alternate.
//
// The heads are locked with skip locked, twice: in the queue, so that claimers who want the same heads get different
// ones instead of waiting for each other, and in run_states, because a run that is just being canceled is held by its
// row while its canceler waits for its place in the queue. The token that a run gets is a fencing token: whatever its
// executor writes later is checked against it, so an executor that lost its lease changes nothing.
//
// Where one lane of a job without a limit is all there is, which is the common case, nothing has to be shared; a
// shorter statement claims its head, and leaves the rest to the whole one as soon as there is a second lane.
//
// One claim may serve many claimers at once (group commit): each run that is wanted is a seat, and the seat says who
// wants it. Claimers of a busy queue share a statement in this way instead of competing for the same heads.
//
// Not to be changed without `npm run bench -- queue cost`: the materialized CTEs, each of which keeps the planner from
// folding a decision about lanes into a walk over runs; the look-ups by lateral and by array in place of joins; the
// index run_queue_lanes; and that everything is one statement.
import type { Actor } from '#core/event.ts'
import { column } from '#postgres/column.ts'
import { newId } from '#postgres/id.ts'
import { slotValuesOf } from '#postgres/rows.ts'
import type { Db, Sql } from '#postgres/sql.ts'
import type { Values } from '#postgres/statement.ts'
import {
  CLAIMERS,
  type ClaimedRun,
  type ClaimRow,
  claimStatement,
  type Into,
  simpleClaimStatement,
} from './claim-statement.sql.ts'
import { BEFORE_ALL, type Lane } from './lanes.sql.ts'

export type { ClaimedRun } from './claim-statement.sql.ts'

/** Who gets a run. The same object for all seats of a claimer. */
export type Seat = { owner: string; actor: Actor; leaseSecs: number }

/** As many seats for one claimer. */
export const seatsFor = <T extends Seat>(claimer: T, limit: number): T[] => new Array<T>(limit).fill(claimer)

export type Claim = {
  /** Only runs of this project: workers serve the project of their key, Runyard's own dispatch serves all. */
  projectId?: string | undefined
  queues: readonly string[]
  /** One for each run that is wanted, in the order in which they are filled. */
  seats: readonly Seat[]
  into: Into
  /** Counts up with every claim of a claimer: whose turn it is among projects and jobs. */
  turn: number
  /** Where to go on when there are more lanes than one claim looks at. */
  after?: Lane | undefined
  /** 'strict': nothing is taken while jobs that this claim is not for have more urgent runs and room for them. */
  order: 'strict' | 'loose'
  /** The latest claim of these queues found one lane at most, without a limit. */
  isSimple?: boolean
}

export type Claimed = {
  runs: ClaimedRun[]
  /** Jobs with a limit that have runs waiting: only a claim that holds their lock may take those. */
  limitedJobs: string[]
  /** The last lane looked at, when there may be more of them. */
  after: Lane | undefined
  /** There were lanes to serve: if no run came of it, others were holding the heads of them just then. */
  contended: boolean
  /** More urgent runs of jobs that this claim was not for were left to another one, and others for their sake. */
  withheld: boolean
  isSimple: boolean
}

/** Claims runs of jobs without a concurrency limit or a throttle. Concurrent callers never get the same run. */
export async function claimRuns(sql: Sql, claim: Claim): Promise<Claimed> {
  if (claim.isSimple && !claim.after && claim.queues.length === 1) {
    const ask = simpleClaimStatement({ ofProject: claim.projectId !== undefined, into: claim.into })
    const found = claimed(await ask(sql, valuesFor(claim, [])))
    if (found.isSimple) return found
  }
  return claimFrom(sql, claim, [])
}

const NONE: Claimed = {
  runs: [],
  limitedJobs: [],
  after: undefined,
  contended: false,
  withheld: false,
  isSimple: false,
}

/**
 * Claims runs of jobs with a limit. The running ones are counted from their leases under a lock per job, taken in a
 * statement of its own: a count in the same statement would not see what the lock's last holder committed.
 */
export async function claimLimitedRuns(sql: Sql, claim: Claim, jobIds: readonly string[]): Promise<Claimed> {
  return sql.begin(async (tx) => {
    const locked = await tx<{ job_id: string }[]>`
      select job_id from unnest(${jobIds as string[]}::uuid[]) as t (job_id)
      where pg_try_advisory_xact_lock(hashtextextended(job_id::text, 1))`
    const held = locked.map((row) => row.job_id)
    return held.length === 0 ? NONE : claimFrom(tx, claim, held)
  }) as Promise<Claimed>
}

async function claimFrom(sql: Db, claim: Claim, limitedJobs: readonly string[]): Promise<Claimed> {
  const ask = claimStatement({
    ofProject: claim.projectId !== undefined,
    fromMiddle: claim.after !== undefined,
    ofLimited: limitedJobs.length > 0,
    order: claim.order,
    into: claim.into,
  })
  return claimed(await ask(sql, valuesFor(claim, limitedJobs)))
}

function valuesFor({ seats, ...claim }: Claim, limitedJobs: readonly string[]): Values {
  const from = claim.after ?? BEFORE_ALL
  const claimers = [...new Set(seats)]
  const numbers = new Map(claimers.map((claimer, index) => [claimer, index + 1]))
  return {
    ...slotValuesOf(CLAIMERS, claimers),
    seats: column(seats.map((seat) => numbers.get(seat)!)),
    queues: column(claim.queues),
    project: claim.projectId ?? null,
    from_project: from.projectId,
    from_rank: from.rank,
    from_job: from.jobId,
    from_key: from.concurrencyKey,
    limited_jobs: column(limitedJobs),
    turn: claim.turn,
    limit: seats.length,
    event_ids: column(seats.map(newId)),
  }
}

function claimed(rows: readonly ClaimRow[]): Claimed {
  const { limitedJobs, candidates, withheld, lastLane, isSimple } = rows[0]!
  const runs = rows.flatMap((row) => (row.runId === null ? [] : [claimedRun(row)]))
  return {
    runs,
    limitedJobs: limitedJobs ?? [],
    after: lastLane ?? undefined,
    contended: runs.length === 0 && candidates > 0,
    withheld,
    isSimple,
  }
}

type Found = Extract<ClaimRow, { runId: string }>

/** The row itself, which nobody else has: to copy twenty columns of each run costs as much as to read them. */
function claimedRun(row: Found): ClaimedRun {
  const { checkpointNumber: number, checkpointState: state, checkpointAt: createdAt } = row
  return Object.assign(row, { checkpoint: number === null ? null : { number, state, createdAt } })
}
