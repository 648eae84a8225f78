// Afterwards: what clients were told is held against the database, and the database against itself.
import { isOver, RUN_MOVES } from '#core/run.ts'
import { sealNextWindow } from '#log/seals/seal-log.ts'
import type { Sql } from '#postgres/sql.ts'
import type { Client } from './load/client.ts'
import { BUDGET_MICROUSD } from './load/load.ts'
import type { Oracle } from './load/oracle.ts'

export type Check = { name: string /** How many things were looked at. */; of: number; wrong: string[] }

const END_OF = { completes: 'completed', 'fails-once': 'completed', fails: 'failed' } as const
const ENDINGS = [
  ...new Set(Object.values(RUN_MOVES).flatMap(({ to, event }) => (isOver(to) || to === 'dead_letter' ? [event] : []))),
]

export async function checkAll(sql: Sql, oracle: Oracle, client: Client): Promise<Check[]> {
  while ((await sealNextWindow({ sql }, 0)).outcome !== 'waiting');
  return [
    await acceptedRuns(sql, oracle),
    await endings(sql),
    acknowledgedEnds(oracle),
    await keys(sql, oracle),
    await sequences(sql),
    ...(await streams(sql, oracle)),
    await counters(sql),
    await budgets(sql),
    await decisions(sql, oracle),
    await leftovers(sql),
    await seals(client),
    { name: 'answers that a client can use', of: oracle.accepted.size, wrong: oracle.odd },
  ]
}

async function acceptedRuns(sql: Sql, { accepted, ended }: Oracle): Promise<Check> {
  const rows = await sql<{ id: string; state: string }[]>`select run_id as id, state from run_states`
  const states = new Map(rows.map(({ id, state }) => [id, state]))
  const wrong = [...accepted].flatMap(([id, { plan }]) => {
    const state = states.get(id)
    return state === END_OF[plan] ? [] : [`${id} (${plan}) is ${state ?? 'gone'}`]
  })
  const taken = [...ended].flatMap(([id, ends]) =>
    ends.some(({ status }) => status === 'completed') && states.get(id) !== 'completed'
      ? [`${id} was completed, and is ${states.get(id) ?? 'gone'}`]
      : [],
  )
  return { name: 'accepted runs ended as they should, none is lost', of: accepted.size, wrong: [...wrong, ...taken] }
}

async function endings(sql: Sql): Promise<Check> {
  const rows = await sql<{ id: string; n: number; at: string }[]>`
    select r.id, count(e.id)::int as n, max(s.state) as at
    from runs r join run_states s on s.run_id = r.id left join events e on e.run_id = r.id and e.type = any(${ENDINGS})
    group by r.id`
  const wrong = rows.filter(({ n }) => n !== 1).map(({ id, n, at }) => `${id} ended ${n} times, and is ${at}`)
  return { name: 'each run ended exactly once', of: rows.length, wrong }
}

function acknowledgedEnds({ ended }: Oracle): Check {
  const wrong = [...ended].flatMap(([id, ends]) => {
    const tokens = new Set(ends.filter(({ status }) => status === 'completed').map(({ token }) => token))
    return tokens.size > 1 ? [`${id} was completed by ${tokens.size} attempts`] : []
  })
  return { name: 'no two attempts were told that they completed a run', of: ended.size, wrong }
}

/** A failure frees its key, so a trigger that was not answered in time may have made a second run of those. */
async function keys(sql: Sql, { accepted }: Oracle): Promise<Check> {
  const rows = await sql<{ key: string; n: number }[]>`
    select payload ->> 'key' as key, count(*)::int as n from run_bodies
    where payload ->> 'plan' <> 'fails' group by 1 having count(*) > 1`
  return {
    name: 'each idempotency key made one run',
    of: accepted.size,
    wrong: rows.map(({ key, n }) => `${key} made ${n} runs`),
  }
}

async function sequences(sql: Sql): Promise<Check> {
  const rows = await sql<{ id: string; n: number; first: number; last: number; known: number }[]>`
    select s.run_id as id, count(e.sequence)::int as n, min(e.sequence)::int as first, max(e.sequence)::int as last,
      s.last_sequence::int as known
    from run_states s left join events e on e.run_id = s.run_id group by s.run_id, s.last_sequence`
  const wrong = rows
    .filter(({ n, first, last, known }) => first !== 1 || last !== n || known !== n)
    .map(({ id, n, first, last, known }) => `${id} has ${n} events from ${first} to ${last}, and says ${known}`)
  return { name: 'sequences have no gaps', of: rows.length, wrong }
}

async function streams(sql: Sql, { streamed }: Oracle): Promise<Check[]> {
  const feeds = [...streamed].filter(([name]) => name.startsWith('feed'))
  const runs = [...streamed].filter(([name]) => !name.startsWith('feed'))
  const completed = await sql<{ id: string }[]>`select id from events where type = 'run.completed'`
  const told = feeds.flatMap(([name, seen]) =>
    compare(
      name,
      seen,
      completed.map(({ id }) => id),
    ),
  )
  const events = await sql<{ id: string; runId: string }[]>`
    select id, run_id as "runId" from events where run_id = any(${runs.map(([name]) => name)}::uuid[]) order by sequence`
  const byRun = Map.groupBy(events, ({ runId }) => runId)
  const ofRuns = runs.flatMap(([name, seen]) =>
    compare(
      name,
      seen,
      (byRun.get(name) ?? []).map(({ id }) => id),
    ),
  )
  return [
    { name: 'feeds of the project brought every event once', of: completed.length * feeds.length, wrong: told },
    { name: 'streams of runs brought every event once', of: events.length, wrong: ofRuns },
  ]
}

function compare(name: string, seen: readonly string[], there: readonly string[]): string[] {
  const [once, known] = [new Set(seen), new Set(there)]
  const missed = there.filter((id) => !once.has(id)).length
  const invented = [...once].filter((id) => !known.has(id)).length
  const repeated = seen.length - once.size
  return missed + invented + repeated === 0
    ? []
    : [`${name}: ${missed} missed, ${repeated} twice, ${invented} that the log does not have`]
}

async function counters(sql: Sql): Promise<Check> {
  const runs = await sql<{ state: string; counted: number | null; n: number | null }[]>`
    select coalesce(c.state, a.state) as state, c.n::int as counted, a.n::int as n
    from (select state, sum(n) as n from run_counts group by state having sum(n) <> 0) c
    full join (select state, count(*) as n from run_states group by state) a on a.state = c.state`
  const [events] = await sql<{ counted: number; n: number }[]>`
    select
      ((select coalesce(sum(n), 0) from event_counts)
        + (select coalesce(sum(n), 0) from event_sums where span = 'month'))::int as counted,
      (select count(*) from events)::int as n`
  const wrong = runs
    .filter(({ counted, n }) => counted !== n)
    .map(({ state, counted, n }) => `${n} runs are ${state}, and ${counted} are counted`)
  if (events!.counted !== events!.n) wrong.push(`there are ${events!.n} events, and ${events!.counted} are counted`)
  return { name: 'counters equal a count', of: runs.length + 1, wrong }
}

async function budgets(sql: Sql): Promise<Check> {
  const rows = await sql<{ agent: string; spent: number }[]>`
    select agent_id as agent, sum(cost_microusd)::bigint as spent from authorizations
    where state in ('reserved', 'settled') group by agent_id, date_trunc('day', hour)`
  const wrong = rows
    .filter(({ spent }) => spent > BUDGET_MICROUSD)
    .map(({ agent, spent }) => `${agent} spent ${spent} of ${BUDGET_MICROUSD}`)
  return { name: 'no budget is overspent', of: rows.length, wrong }
}

async function decisions(sql: Sql, { allowed }: Oracle): Promise<Check> {
  const rows = await sql<{ id: string }[]>`select id from authorizations where state in ('reserved', 'settled')`
  const known = new Set(rows.map(({ id }) => id))
  const wrong = [...allowed.keys()].filter((id) => !known.has(id)).map((id) => `${id} was allowed, and is gone`)
  return { name: 'allowed calls are in the ledger', of: allowed.size, wrong }
}

async function leftovers(sql: Sql): Promise<Check> {
  const [left] = await sql<{ leases: number; queued: number; waits: number }[]>`
    select (select count(*) from leases)::int as leases, (select count(*) from run_queue)::int as queued,
      (select count(*) from waits)::int as waits`
  const wrong = Object.entries(left!).flatMap(([what, n]) => (n > 0 ? [`${n} ${what} are left`] : []))
  return { name: 'no lease, place in the queue or wait is left', of: 3, wrong }
}

async function seals(client: Client): Promise<Check> {
  let windows = 0
  for (let from = ''; ; ) {
    const answer = await client.insist('GET', `/v1/events/verify${from}`)
    const { first_problem, windows: verified, next } = answer!.body
    windows += verified
    if (first_problem !== null) return { name: 'seals verify', of: windows, wrong: [JSON.stringify(first_problem)] }
    if (next === null) return { name: 'seals verify', of: windows, wrong: [] }
    from = `?from_seal=${next.from_seal}&expect=${next.expect}`
  }
}
