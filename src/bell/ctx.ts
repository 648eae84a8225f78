// What every action works with. All of it is a way to PostgreSQL or a bound; nothing here is state that another
// process would need.
import type { Logger } from 'pino'
import type { EgressMode } from '#access/egress/egress.ts'
import { type CallRequest, type Decision, decideCalls } from '#agents/authorize.ts'
import { refuse } from '#core/error.ts'
import { type OutcomePatterns, outcomePatterns } from '#core/outcome.ts'
import { noWayOut, type Post } from '#dispatch/post.ts'
import { type JobCache, jobCache } from '#jobs/job-cache.ts'
import { type Appended, appendEvents, type NewEvent } from '#log/append-events.sql.ts'
import { type RecentFeed, recentFeed } from '#log/recent-feed.ts'
import type { RecentCache } from '#log/recent-feed-cache.ts'
import { type GroupCommit, groupCommit } from '#postgres/group-commit.ts'
import { isDuplicate, type Sql } from '#postgres/sql.ts'
import { type InsertedRun, insertRuns, type NewRun } from '#run-state/insert/insert-runs.sql.ts'
import { moveRuns, type RunChange, type RunChanged } from '#run-state/move/move-runs.sql.ts'
import { appendDeltas, type NewDelta } from '#runs/attempts/attempt-writes.sql.ts'
import { type BookedCall, bookUsage, type UsageCall } from '#usage/book-usage.sql.ts'
import { answerLocks, type LockAnswer, type LockAsked } from '#usage/take-lock.ts'
import type { Listening } from './listening.ts'

export type Ctx = {
  sql: Sql
  /** For lists, whose best plan depends on what is asked for. */
  reads: Sql
  /** Tells every process where to look again; called after the commit. */
  ring: (topics: Iterable<string>) => void
  /** Listens for rings of these topics. Start listening before looking, or a ring in between is missed. */
  listen: (topics: readonly string[]) => Listening
  log: Logger
  /** In [0, 1). */
  random: () => number
  /** Calls an endpoint, guarded and bounded; a fault of the other side is an outcome, never an exception. */
  post: Post
  egress: EgressMode
  jobs: JobCache
  /** Group commits: whoever asks meanwhile shares the next statement. */
  insertRun: GroupCommit<NewRun, InsertedRun>
  moveRun: GroupCommit<RunChange, RunChanged>
  appendEvent: GroupCommit<NewEvent, Appended>
  appendDelta: GroupCommit<NewDelta, number | undefined>
  /** Decisions about calls of agents. */
  authorize: GroupCommit<CallRequest, Decision>
  bookUsage: GroupCommit<UsageCall, BookedCall>
  takeLock: GroupCommit<LockAsked, LockAnswer>
  /** Which types of events tell of a success, and which of a failure. */
  outcomes: OutcomePatterns
  /** What a project was told no about lately, and what its agents did. */
  feed: RecentFeed
}

export type CtxParts = Pick<Ctx, 'sql' | 'reads' | 'ring' | 'listen' | 'log' | 'egress'> & {
  random?: () => number
  /** Without it the context has no way out. */
  post?: Post
  /** By default the table of `core/outcome.ts`. */
  outcomes?: OutcomePatterns
  /** Where the recent feed is kept at hand; without it, it is read from the log each time. */
  feedCache?: RecentCache
}

/** Items of one statement, statements at once, and items waiting, for each kind of group commit. */
const BOUNDS = { itemsMax: 500, parallel: 2, waitingMax: 20_000 }

/**
 * Two batches under way at once may hold the same id of a client. The second one is refused by its unique index, is cut
 * down to the one event by the group commit, and then finds the first.
 */
const appendOnce = (sql: Sql, events: NewEvent[]): Promise<Appended[]> =>
  appendEvents(sql, events).catch((error: unknown) => {
    if (events.length === 1 && events[0]!.idGiven && isDuplicate(error)) return appendEvents(sql, events)
    throw error
  })

const full = (what: string) => () => refuse('overloaded', { what, retryAfterMs: 1000 })

export function makeCtx({
  sql,
  reads,
  ring,
  listen,
  log,
  egress,
  random = Math.random,
  post = noWayOut,
  outcomes = outcomePatterns(),
  feedCache,
}: CtxParts): Ctx {
  const feed = recentFeed(sql, {
    cache: feedCache,
    onFailure: (error) => log.warn({ err: error }, 'items of the recent feed were lost'),
  })
  const insertRun = groupCommit<NewRun, InsertedRun>((runs) => insertRuns(sql, runs), {
    ...BOUNDS,
    full: full('The queue of triggers'),
    keyOf: (run) => run.idempotency && `${run.jobId} ${run.idempotency.key}`,
  })
  const moveAndTell = async (changes: readonly RunChange[]): Promise<RunChanged[]> => {
    const changed = await moveRuns(sql, changes)
    if (changed.some((it) => it.outcome === 'moved' && it.told)) ring(['waits'])
    return changed
  }
  const moveRun = groupCommit<RunChange, RunChanged>(moveAndTell, {
    ...BOUNDS,
    full: full('The queue of moves'),
    keyOf: (change) => change.runId,
  })
  const appendEvent = groupCommit<NewEvent, Appended>((events) => appendOnce(sql, events), {
    ...BOUNDS,
    itemsMax: 1000,
    full: full('The queue of events'),
    keyOf: (event) => (event.idGiven ? `${event.projectId} ${event.id}` : undefined),
  })
  const appendDelta = groupCommit<NewDelta, number | undefined>((deltas) => appendDeltas(sql, deltas), {
    ...BOUNDS,
    full: full('The queue of deltas'),
  })
  const bookCall = groupCommit<UsageCall, BookedCall>((calls) => bookUsage(sql, calls), {
    ...BOUNDS,
    full: full('The queue of usage'),
  })
  const decideAndTell = async (calls: readonly CallRequest[]): Promise<Decision[]> => {
    const decided = await decideCalls(sql, calls)
    const blocked = calls.filter((_, index) => decided[index]!.decision === 'blocked')
    if (blocked.length > 0) feed.changed(new Set(blocked.map((it) => it.projectId)))
    return decided
  }
  const authorize = groupCommit<CallRequest, Decision>(decideAndTell, {
    ...BOUNDS,
    // Two would mostly wait for the lock of the same agent.
    parallel: 1,
    full: full('The queue of authorizations'),
  })
  const takeLock = groupCommit<LockAsked, LockAnswer>((asked) => answerLocks(sql, asked), {
    ...BOUNDS,
    // A statement costs much more than a row of it: one at a time answers more callers than two half as large.
    parallel: 1,
    full: full('The queue of locks'),
  })
  return {
    sql,
    reads,
    ring,
    listen,
    log,
    egress,
    random,
    post,
    jobs: jobCache(sql),
    insertRun,
    moveRun,
    appendEvent,
    appendDelta,
    authorize,
    bookUsage: bookCall,
    takeLock,
    outcomes,
    feed,
  }
}
