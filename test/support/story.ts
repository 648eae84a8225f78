// Reads a run's story out of the log and holds it against the state table and the other tables: whatever happened
// in whatever order, the log must tell a legal life, and every table must agree with its end.
import { expect } from 'vitest'
import { isOver, LISTED_STATES, RUN_MOVES, type RunState, transitionOf } from '#core/run.ts'
import type { Sql } from '#postgres/sql.ts'

type Told = { run_id: string; sequence: number; type: string; data: { state?: RunState } | null }

/** Checks every run of the database; returns how many events were read. */
export async function expectTrueStories(sql: Sql): Promise<number> {
  const events = await sql<Told[]>`
    select run_id, sequence, type, coalesce(data::jsonb, parsed_data) as data
    from events where run_id is not null order by run_id, sequence`
  const states = await sql<
    {
      run_id: string
      state: RunState
      last_sequence: number
      token: string | null
      queued: boolean
      ready: boolean | null
      leased: string | null
      waits: boolean
      listed: RunState | null
    }[]
  >`
    select s.run_id, s.state, s.last_sequence, s.lease_token as token, q.run_id is not null as queued, q.ready, l.token as leased, w.run_id is not null as waits,
      s.listed_state as listed
    from run_states s join runs r on r.id = s.run_id and r.execution <> 'external' left join run_queue q using (run_id) left join leases l using (run_id) left join waits w using (run_id)`
  const byRun = Map.groupBy(events, (event) => event.run_id)
  for (const row of states) {
    const told = byRun.get(row.run_id) ?? []
    expect(
      told.map((event) => event.sequence),
      'sequences without gaps',
    ).toEqual(told.map((_, index) => index + 1))
    expect(row.last_sequence).toBe(told.length)
    expect(endOf(told), `the log of ${row.run_id}: ${told.map((event) => event.type).join(' ')}`).toBe(row.state)
    expectPlace(row)
  }
  await expectCounts(sql)
  await expectEnds(
    sql,
    states.flatMap((row) => byRun.get(row.run_id) ?? []),
  )
  return events.length
}

/** Walks the state table along the events; fails where a move was not legal, or where an event says otherwise. */
function endOf(told: readonly Told[]): RunState {
  const first = told[0]
  if (first?.type !== 'run.created' || !first.data?.state) throw new Error('a story begins with run.created')
  let state: RunState = first.data.state
  for (const { type, data } of told.slice(1)) {
    const transition = transitionOf(type, data)
    if (!transition) continue
    const { from, to } = transition
    const legal = Object.values(RUN_MOVES).some(
      (move) => move.event === type && move.to === to && move.from.includes(state),
    )
    if (!legal) throw new Error(`${type} is no move from ${state} to ${to}`)
    expect(from, `where ${type} says that it comes from`).toBe(state)
    state = to
  }
  return state
}

type Place = {
  state: RunState
  token: string | null
  queued: boolean
  ready: boolean | null
  leased: string | null
  waits: boolean
  listed: RunState | null
}

/** A run is in the queue, under a lease, waiting for something, or at rest: never in two of these, and never in none that its state needs. */
function expectPlace({ state, token, queued, ready, leased, waits, listed }: Place): void {
  expect(queued, `${state} in the queue`).toBe(state === 'queued' || state === 'delayed')
  if (queued) expect(ready).toBe(state === 'queued')
  expect(leased !== null, `${state} under a lease`).toBe(state === 'executing' || state === 'dequeued')
  expect(waits, `${state} with a wait`).toBe(state === 'waiting')
  expect(listed, `the list of ${state}`).toBe(LISTED_STATES.includes(state) ? state : null)
  // An attempt that waits keeps its token as a fence, without a lease.
  if (state !== 'waiting') expect(token).toBe(leased)
}

/** Every time that a run ended is counted, by how it ended. */
async function expectEnds(sql: Sql, told: readonly Told[]): Promise<void> {
  const ends = told.flatMap(({ type, data }) => {
    const move = transitionOf(type, data)
    return move && isOver(move.to) && !(move.from && isOver(move.from)) ? [move.to] : []
  })
  const counted = await sql<{ state: string; n: number }[]>`
    select c.state, sum(c.n)::int as n from end_counts c
    where c.job_id in (select id from jobs where execution <> 'external')
    group by c.state having sum(c.n) <> 0`
  const actual = Map.groupBy(ends, (state) => state)
  expect(new Map(counted.map(({ state, n }) => [state, n]))).toEqual(
    new Map([...actual].map(([state, of]) => [state, of.length])),
  )
}

async function expectCounts(sql: Sql): Promise<void> {
  const counted =
    await sql`select state, sum(n)::int as n from run_counts group by state having sum(n) <> 0 order by state`
  const actual = await sql`select state, count(*)::int as n from run_states group by state order by state`
  expect([...counted]).toEqual([...actual])
  const [events] = await sql<{ counted: number; actual: number }[]>`
    select ((select coalesce(sum(n), 0) from event_counts) + (select coalesce(sum(n), 0) from event_sums where span = 'month'))::int as counted, (select count(*) from events)::int as actual`
  expect(events!.counted).toBe(events!.actual)
}
