// Which index each read of the log goes by, on a log large enough for the planner to care. What a wrong plan costs
// shows only with millions of events; which plan it is shows here.
import { expect, test } from 'vitest'
import { countDeadLetters, countEnded } from '#alerts/measures.sql.ts'
import type { Sql } from '#postgres/sql.ts'
import { suiteDatabase } from '#test/support/db.ts'
import { askedThrough, PROJECT, prepareLog } from '#test/support/log.ts'
import { countByActor, countEvents } from './counts/count-events.sql.ts'
import { foldEnds } from './counts/end-counts.sql.ts'
import { findEvent } from './find-event.sql.ts'
import { listEvents } from './lists/list-events.ts'
import { makePartitions } from './partitions.sql.ts'
import { readFeed } from './read-feed.sql.ts'
import { readLastSequences, readRunHead, readRunLog } from './read-log.sql.ts'
import { findResources } from './resources.sql.ts'
import { readTail } from './tail.sql.ts'

const { sql, url } = await suiteDatabase()
await prepareLog(sql)
await makePartitions(sql)
await loadLog()

const [run] = await sql<{ id: string; created_at: Date; correlation_id: string }[]>`
  select id, created_at, correlation_id from runs order by created_at offset 2000 limit 1`
const [event] = await sql<{ id: string; xid: string; position: number; recorded_at: Date; occurred_at: Date }[]>`
  select id, xid::text, position, recorded_at, occurred_at from events order by position offset 20000 limit 1`

const hour = 3_600_000
const from = new Date(Math.floor(event!.occurred_at.getTime() / hour) * hour + 600_000)
const to = new Date(from.getTime() + 10 * hour)
const list = { projectId: PROJECT, order: 'newest first', limit: 100 } as const
const read = { runId: run!.id, runCreatedAt: run!.created_at, afterSequence: 4, limit: 200 }

const READS: Record<string, { read: (sql: Sql) => Promise<unknown>; indexes: RegExp[] }> = {
  "a run's log": {
    read: (own) => readRunLog(own, { ...read, deltas: true }),
    indexes: [/events_\d+_run_id_sequence_idx/, /deltas_\d+_run_id_sequence_idx/],
  },
  "a run's head": { read: (own) => readRunHead(own, PROJECT, run!.id), indexes: [/run_states_pkey/] },
  'last sequences': { read: (own) => readLastSequences(own, [run!.id]), indexes: [/run_states_pkey/] },
  'the tail': {
    read: (own) =>
      readTail(own, { after: { xid: event!.xid, position: event!.position }, limit: 100, projectIds: [PROJECT] }),
    indexes: [/events_\d+_xid_position_idx/],
  },
  'the newest events': { read: (own) => listEvents(own, list), indexes: [/project_id_occurred_at_position_idx/] },
  'events of some types': {
    read: (own) => listEvents(own, { ...list, types: ['policy.blocked', 'run.completed'] }),
    indexes: [/project_id_type_occurred_at_position_idx/, /project_id_occurred_at_position_idx/],
  },
  'events of everyday types that are rare': {
    read: (own) => listEvents(own, { ...list, types: ['run.dequeued', 'policy.allowed'] }),
    indexes: [/event_sums_pkey/, /Function Scan on span/, /project_id_occurred_at_position_idx/],
  },
  'what an agent did and had done to it': {
    read: (own) => listEvents(own, { ...list, resource: { types: ['agent'], id: 'agent-3' } }),
    indexes: [/project_id_resource_type_resource_id_/, /project_id_agent_id_occurred_at/],
  },
  'the failure rate of an alert': {
    read: (own) => countEnded(own, { projectId: PROJECT, windowSecs: 86_400, job: null }),
    indexes: [/project_id_occurred_at_position_idx/],
  },
  'the dead letters of an alert': {
    read: (own) => countDeadLetters(own, { projectId: PROJECT, windowSecs: 86_400, job: null }),
    indexes: [/project_id_type_occurred_at_position_idx/],
  },
  'the recent feed': {
    read: (own) => readFeed(own, PROJECT),
    indexes: [/project_id_(type|resource_type)_occurred_at_position_idx/],
  },
  'events about a thing': {
    read: (own) => listEvents(own, { ...list, resource: { types: ['agent', 'key'], id: 'thing-7' } }),
    indexes: [/project_id_resource_type_resource_id_/],
  },
  'events about a kind of thing': {
    read: (own) => listEvents(own, { ...list, resource: { types: ['agent'] } }),
    indexes: [/project_id_resource_type_occurred_at/],
  },
  'counters that are to be folded': {
    read: (own) => foldEnds(own, 1_000),
    indexes: [/end_counts_unfolded/, /failure_counts_unfolded/],
  },
  'events about a run': {
    read: (own) => listEvents(own, { ...list, resource: { types: ['run'], id: run!.id } }),
    indexes: [/run_id_sequence_idx/],
  },
  'events of a run': { read: (own) => listEvents(own, { ...list, runId: run!.id }), indexes: [/run_id_sequence_idx/] },
  'events by somebody': {
    read: (own) => listEvents(own, { ...list, actorType: 'user', actorId: 'user-7' }),
    indexes: [/project_id_actor_type_actor_id_/],
  },
  "an agent's events": {
    read: (own) => listEvents(own, { ...list, agentId: 'agent-3' }),
    indexes: [/project_id_agent_id_occurred_at/],
  },
  'a chain of causes': {
    read: (own) => listEvents(own, { ...list, order: 'oldest first', correlationId: run!.correlation_id }),
    indexes: [/runs_by_correlation/, /run_id_sequence_idx/, /project_id_correlation_id_position_idx/],
  },
  'events of a time': {
    read: (own) => listEvents(own, { ...list, occurredFrom: from, occurredTo: to }),
    indexes: [/project_id_occurred_at_position_idx/],
  },
  'a thing by its UUID': { read: (own) => findResources(own, PROJECT, run!.id), indexes: [/resources_by_uuid/] },
  'an event by its id': { read: (own) => findEvent(own, PROJECT, event!.id), indexes: [/events_\d+_id_idx/] },
  'counts of a time': {
    read: (own) => countEvents(own, { projectId: PROJECT, from, to }),
    indexes: [/event_counts_pkey/, /event_sums_pkey/, /project_id_occurred_at_position_idx/],
  },
  'counts by actor': {
    read: (own) => countByActor(own, { projectId: PROJECT, from, to }, 100),
    indexes: [/event_counts_pkey/, /actor_sums_pkey/, /project_id_occurred_at_position_idx/],
  },
}

test.each(Object.entries(READS))('%s uses its index, and scans no table', async (_, { read, indexes }) => {
  const plan = await planOf(read)
  for (const index of indexes) expect(plan).toMatch(index)
  const walked = [...plan.matchAll(/Seq Scan on ((?:events|deltas|runs|run_states|event_counts)\w*)/g)].map(
    (found) => found[1]!,
  )
  // A partition that is empty, or all but empty, may be walked.
  const large = await sql<{ relname: string }[]>`
    select relname from pg_class where relname = any(${walked}::text[]) and reltuples > 100`
  expect(large.map((table) => table.relname)).toEqual([])
})

test("a run's log is read from the partitions since the run began, and from none before", async () => {
  const plan = await planOf((own) => readRunLog(own, { ...read, runCreatedAt: new Date(), deltas: false }))
  const looked = new Set([...plan.matchAll(/on (events_\d+)/g)].map((found) => found[1]))
  const [now] = await sql<{ name: string }[]>`select max(tableoid::regclass::text) as name from events`
  expect([...looked].every((name) => name! >= now!.name)).toBe(true)
})

/** The plans of all statements that a read makes. */
async function planOf(read: (sql: Sql) => Promise<unknown>): Promise<string> {
  const { sql: own, asked } = askedThrough(url)
  await read(own)
  const plans = asked.map(({ text, parameters }) => sql.unsafe(`explain ${text}`, parameters as string[]))
  return (await Promise.all(plans)).flatMap((rows) => rows.map((row) => row['QUERY PLAN'])).join('\n')
}

/** 4,000 runs of ten events and 10,000 other events, over four weeks until now. */
async function loadLog(): Promise<void> {
  await sql.unsafe(`
    do $$ declare monday date; begin
      for monday in select generate_series(date_trunc('week', now() - interval '5 weeks'), date_trunc('week', now() - interval '1 week'), '1 week')::date loop
        execute format('create table if not exists events_%s partition of events for values from (%L) to (%L)', to_char(monday, 'YYYYMMDD'), monday, monday + 7);
      end loop;
    end $$;
    create temp table made as
      select i, (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(i::text), 14))::uuid as id, at
      from (select i, now() - interval '28 days' + i * interval '10 minutes' as at from generate_series(1, 4000) i) each;
    insert into runs (id, project_id, execution, queue, triggered_by, created_by_type, correlation_id, rank, timeout_secs, max_attempts, created_at)
      select id, '${PROJECT}', 'worker', 'q', 'manual', 'user', 'chain-' || i / 2, 0, 1, 1, at from made;
    insert into run_states (run_id, project_id, state, last_sequence, created_at, state_since) select id, '${PROJECT}', 'completed', 12, at, at from made;
    -- Of an earlier time than any real transaction of this server, as the log of a while ago is.
    insert into events (xid, id, project_id, type, occurred_at, recorded_at, actor_type, actor_id, correlation_id, run_id, sequence, agent_id, data)
      select (10 + i / 8)::text::xid8, (substr(id::text, 1, 24) || lpad(n::text, 12, '0'))::uuid, '${PROJECT}', case n when 1 then 'run.created' when 10 then 'run.completed' when 9 then case when i % 900 = 0 then 'run.dequeued' else 'step.done' end else 'step.done' end,
        at + n * interval '1 s', at + n * interval '1 s', 'worker', 'w1', 'chain-' || i / 2, id, n, case when i % 50 = 0 then 'agent-' || i % 7 end, '{"a": 1}'
      from made, generate_series(1, 10) n order by at, n;
    insert into events (xid, id, project_id, type, occurred_at, recorded_at, actor_type, actor_id, resource_type, resource_id, correlation_id)
      select (10 + i / 20)::text::xid8, (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(i::text), 14))::uuid, '${PROJECT}',
        case when i % 500 = 0 then 'policy.blocked' else 'agent.updated' end, at, at, 'user', 'user-' || i % 300, 'agent', 'thing-' || i % 700, 'c-' || i
      from (select i, now() - interval '28 days' + i * interval '4 minutes' as at from generate_series(1, 10000) i) each;
    insert into deltas (run_id, sequence, project_id, type)
      select id, n, '${PROJECT}', 'stream.chunk' from made, generate_series(11, 12) n where i % 4 = 0;
    insert into event_counts
      select project_id, date_trunc('hour', occurred_at, 'UTC'), type, coalesce(resource_type, 'run'), actor_type, actor_id, 0, count(*)
      from events group by 1, 2, 3, 4, 5, 6;
    insert into end_counts (project_id, hour, job_id, state, shard, n)
      select '${PROJECT}', date_bin('1 hour', at, '2000-01-01Z'), id, 'completed', -1, 1 from made;
    insert into failure_counts (project_id, hour, failed_group, job_version, shard, n, job_id, first_at, last_at, run_id)
      select '${PROJECT}', date_bin('1 hour', at, '2000-01-01Z'), i, 1, -1, 1, id, at, at, id from made;
  `)
  await sql.unsafe('vacuum analyze')
}
