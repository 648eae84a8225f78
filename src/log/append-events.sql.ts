// Appending to the log. An event of a run takes the run's next sequence number under the lock of the run's row, so
// commit order is sequence order; an event of anything else takes only a position.
import { newId } from '#postgres/id.ts'
import { slotRowsOf, slotValuesOf } from '#postgres/rows.ts'
import type { Db, Fragment } from '#postgres/sql.ts'
import { statement } from '#postgres/statement.ts'
import { countEvents } from './counts/counts.sql.ts'
import {
  columnsOf,
  type IdentifiedEvent,
  type Need,
  type Needs,
  type NewEvent,
  nameNeeds,
  needsOf,
} from './new-event.sql.ts'
import { rememberResources } from './resources.sql.ts'

export type Appended =
  | { outcome: 'appended' | 'duplicate'; id: string; position: number; sequence: number | undefined }
  | { outcome: 'no_run' }
  | { outcome: 'stale'; state: string }

/** Appends up to 1,000 events; answers in their order. `no_run`: no run of the project; `stale`: the lease is gone. */
export async function appendEvents(sql: Db, events: readonly NewEvent[]): Promise<Appended[]> {
  const identified: IdentifiedEvent[] = events.map((event) => ({ ...event, id: event.id ?? newId() }))
  const { columns, append } = appendOf(needsOf(identified))
  const answers = await append(sql, slotValuesOf(columns, identified))
  return answers.map((answer, index) => appended(answer, identified[index]!.id))
}

function appended({ position, sequence, ...it }: Answer, id: string): Appended {
  if (it.knownPosition != null)
    return { outcome: 'duplicate', id, position: it.knownPosition, sequence: it.knownSequence ?? undefined }
  if (position !== null) return { outcome: 'appended', id, position, sequence: sequence ?? undefined }
  return it.own && it.state ? { outcome: 'stale', state: it.state } : { outcome: 'no_run' }
}

/** Null where it was not appended. The others are there only for batches with ids of clients, or with runs. */
type Answer = {
  position: number | null
  sequence: number | null
  /** The event of the same id that was there before. */
  knownPosition?: number | null
  knownSequence?: number | null
  /** Of its run, and whether that is one of the project. */
  state?: string | null
  own?: boolean | null
}

const appends = new Map<string, ReturnType<typeof makeAppend>>()

/** Written once for each combination of needs that a batch has. */
function appendOf(needs: Needs): ReturnType<typeof makeAppend> {
  const name = nameNeeds(needs).join()
  const known = appends.get(name)
  if (known) return known
  const one = makeAppend(needs)
  appends.set(name, one)
  return one
}

const makeAppend = (needs: Needs) => ({
  columns: columnsOf(needs),
  append: statement<Answer>((sql) => appendWith(sql, needs)),
})

const appendWith = (sql: Db, needs: Needs): Fragment => {
  const onlyIf = (need: Need, part: Fragment): Fragment => (needs[need] ? part : sql``)
  return sql`
    with input as materialized (select * from ${slotRowsOf(sql, columnsOf(needs))})
    ${onlyIf('given', sql`, known as materialized (${eventsOfSameId(sql)})`)}
    ${onlyIf('runs', sql`, found as materialized (${lockedRuns(sql)})`)}
    , admitted as materialized (${admittedEvents(sql, needs)})
    ${onlyIf('runs', sql`, numbers as materialized (${numbersOfRuns(sql)}), numbered as (${numberedRuns(sql)})`)}
    , placed as materialized (${placedEvents(sql, needs)})
    , logged as (${loggedEvents(sql, needs)})
    ${onlyIf('given', sql`, remembered as (${rememberedIds(sql)})`)}
    , counted as (${countEvents(sql, 'logged')})
    ${onlyIf('things', sql`, seen as (${rememberResources(sql, 'placed')})`)}
    select p.position
      , ${needs.runs ? sql`p.sequence` : sql`null::bigint`} as sequence
      ${onlyIf('given', sql`, k.position as "knownPosition", k.sequence as "knownSequence"`)}
      ${onlyIf('runs', sql`, f.state, f.project_id = i.project_id as own`)}
    from input i
      left join placed p using (ord)
      ${onlyIf('given', sql`left join known k on k.id = i.id and k.project_id = i.project_id`)}
      ${onlyIf('runs', sql`left join found f on f.run_id = i.run_id`)}
    order by i.ord`
}

const eventsOfSameId = (sql: Db): Fragment => sql`
  select e.id, e.project_id, e.position, e.sequence
  from event_ids e join input i on i.given = 1 and e.project_id = i.project_id and e.id = i.id`

/** In one order, and first of all: whoever holds a run's row is the only one who numbers its events. */
const lockedRuns = (sql: Db): Fragment => sql`
  select s.run_id, s.project_id, s.state, s.lease_token, s.last_sequence, s.attempt
  from run_states s
  where s.run_id = any(array(select distinct input.run_id from input where run_id is not null))
  order by s.run_id
  for update of s`

/** Those whose run is there, whose lease holds it, and which are not there yet; numbered within their runs. */
const admittedEvents = (sql: Db, needs: Needs): Fragment => {
  const isNew = sql`not exists (select from known k where k.id = i.id and k.project_id = i.project_id)`
  if (!needs.runs) return sql`select i.* from input i ${needs.given ? sql`where ${isNew}` : sql``}`
  return sql`
    select i.*,
      f.last_sequence,
      f.attempt as run_attempt,
      case when f.run_id is not null then row_number() over (partition by i.run_id order by i.ord) end as nth
    from input i
      left join found f on f.run_id = i.run_id and f.project_id = i.project_id
    where (i.run_id is null or f.run_id is not null)
      and (i.token is null or i.token = f.lease_token)
      ${needs.given ? sql`and ${isNew}` : sql``}`
}

/** One row: which runs have events in the batch, and how many each. */
const numbersOfRuns = (sql: Db): Fragment => sql`
  select array_agg(run_id) as run_ids, jsonb_object_agg(run_id, n) as of_run
  from (select run_id, count(*) as n from admitted where run_id is not null group by run_id) counted`

/** By an array and an object: a join with the runs of the batch may be planned as a walk through all states. */
const numberedRuns = (sql: Db): Fragment => sql`
  update run_states s set last_sequence = s.last_sequence + (numbers.of_run ->> s.run_id::text)::bigint
  from numbers
  where s.run_id = any((select run_ids from numbers)::uuid[])`

/** Positions are given out in the order of the batch. */
const placedEvents = (sql: Db, needs: Needs): Fragment => {
  const position = sql`
    nextval('event_positions') as position,
    date_trunc('milliseconds', clock_timestamp()) as recorded_at`
  if (!needs.runs) return sql`select a.*, ${position} from admitted a order by a.ord`
  return sql`
    select a.*, ${position},
      a.last_sequence + a.nth as sequence,
      r.correlation_id as run_correlation,
      r.client_id as run_ref,
      -- A run that others report does what its events say, and each of them says who did it.
      case when r.execution <> 'external' then r.agent_id end as run_agent
    from admitted a
      left join lateral (
        select correlation_id, client_id, execution, agent_id from runs where id = a.run_id offset 0
      ) r on true
    order by a.ord`
}

const loggedEvents = (sql: Db, needs: Needs): Fragment => {
  const columns = Object.entries(loggedColumns(needs))
  return sql`
    insert into events (${sql.unsafe(columns.map(([name]) => name).join(', '))})
    select ${sql.unsafe(columns.map(([, value]) => value).join(', '))}
    from placed
    order by position
    returning id, project_id, position, sequence, occurred_at, type, resource_type, run_id, actor_type, actor_id`
}

/** What each column of the log is made of. */
const loggedColumns = ({ runs, things, calls, words }: Needs): Record<string, string> => ({
  position: 'position',
  id: 'id',
  project_id: 'project_id',
  type: 'type',
  occurred_at: words ? 'coalesce(occurred_at, recorded_at)' : 'recorded_at',
  recorded_at: 'recorded_at',
  actor_type: 'actor_type',
  actor_id: 'actor_id',
  correlation_id: firstOf(runs && 'run_correlation', words && 'correlation_id', 'id::text'),
  data: 'data::json',
  ...(runs && {
    run_id: 'run_id',
    run_ref: 'run_ref',
    sequence: 'sequence',
    attempt: 'coalesce(attempt, run_attempt)',
  }),
  ...(things && {
    resource_type: 'resource_type',
    resource_id: 'resource_id',
  }),
  ...(calls && {
    tool: 'tool',
    message: 'message',
    duration_ms: 'duration_ms',
  }),
  ...((calls || runs) && {
    agent_id: firstOf(calls && 'agent_id', runs && 'run_agent'),
  }),
  ...(words && {
    causation_id: 'causation_id',
    step: 'step',
    req_id: 'req_id',
    lease_id: 'lease_id',
    level: 'level',
    status: 'status',
  }),
})

const firstOf = (...values: (string | false)[]): string => `coalesce(${values.filter((value) => value).join(', ')})`

const rememberedIds = (sql: Db): Fragment => sql`
  insert into event_ids (project_id, id, position, sequence, occurred_at)
  select l.project_id, l.id, l.position, l.sequence, l.occurred_at
  from logged l
  where exists (select from input i where i.given = 1 and i.id = l.id and i.project_id = l.project_id)`
