// An event as it is read from the log: the columns, in one place, and how a page of them is bounded.
import type { Json } from '#core/json/json.ts'
import type { Db, Fragment } from '#postgres/sql.ts'
import { userName } from './actor-name.sql.ts'

export type LogEvent = {
  position: number
  id: string
  projectId: string
  type: string
  occurredAt: Date
  recordedAt: Date
  actorType: string
  actorId: string | null
  /** Of a person, as they are called now. */
  actorName: string | null
  /** 'run' and the run's public id for an event that is about its run. */
  resourceType: string | null
  resourceId: string | null
  correlationId: string
  causationId: string | null
  /** The public id: the client's own string for an external run that has one. */
  runId: string | null
  /** The id under which the run is stored. */
  runUuid: string | null
  sequence: number | null
  attempt: number | null
  step: string | null
  tool: string | null
  agentId: string | null
  reqId: string | null
  leaseId: string | null
  level: string | null
  status: string | null
  message: string | null
  durationMs: number | null
  data: Json | null
}

type DeltaColumn =
  | 'projectId'
  | 'type'
  | 'occurredAt'
  | 'recordedAt'
  | 'runId'
  | 'runUuid'
  | 'sequence'
  | 'attempt'
  | 'level'
  | 'message'
  | 'data'
/** A stream chunk or a debug log: numbered like the events of its run, and not one of them. `position` tells. */
export type LogDelta = { [Column in Exclude<keyof LogEvent, DeltaColumn>]: null } & Pick<LogEvent, DeltaColumn>

/** Events of versions that parsed what they kept have it in another column: a seal says what its text was. */
export const eventData = (sql: Db, of?: string): Fragment => {
  const from = of === undefined ? sql`` : sql`${sql(of)}.`
  return sql`coalesce(${from}data, ${from}parsed_data::json)`
}

export const eventColumns = (sql: Db) => sql`
  position,
  id,
  project_id as "projectId",
  type,
  occurred_at as "occurredAt",
  recorded_at as "recordedAt",
  actor_type as "actorType",
  actor_id as "actorId",
  coalesce(resource_type, case when run_id is not null then 'run' end) as "resourceType",
  case when resource_type is not null then resource_id else coalesce(run_ref, run_id::text) end as "resourceId",
  correlation_id as "correlationId",
  causation_id as "causationId",
  coalesce(run_ref, run_id::text) as "runId",
  run_id as "runUuid",
  sequence,
  attempt,
  step,
  tool,
  agent_id as "agentId",
  req_id as "reqId",
  lease_id as "leaseId",
  level,
  status,
  message,
  duration_ms as "durationMs",
  ${eventData(sql)} as data,
  ${userName(sql)} as "actorName"`

/** In the order of `eventColumns`. A delta has no column for its run's public id, which is looked up once, if ever. */
export const deltaColumns = (sql: Db, runId: string) => sql`
  null::bigint, null::uuid, project_id, type, recorded_at, recorded_at, null, null, null, null, null, null::uuid,
  (select coalesce(client_id, id::text) from runs where id = ${runId}::uuid), run_id, sequence, attempt,
  null, null, null, null, null, level, null, message, null::float8, data, null`

/** A page of rows holds this much data, or one row. */
export const PAGE_BYTES_MAX = 1_048_576

/** What JSON is packed by, at most times: what was packed counts so many times its stored size in the first cut. */
const PACKED = 8

type Order = 'sequence' | 'xid, position' | 'sequence desc' | 'number' | 'number desc' | 'key' | '"outputKey"'
/** Columns of any length. */
type Sized = 'data' | 'parsed_data' | 'message' | 'state' | 'input' | 'output' | 'value' | 'schema'

/**
 * The rows of the CTE `found`, in `order`, until their data fill `bytesMax`, each with `foundCount`: how many there
 * were. The first cut goes by the stored size, and spares the unpacking of what is far beyond the page.
 */
export const cutByBytes = (sql: Db, order: Order, bytesMax: number, sized: readonly Sized[] = ['data', 'message']) => {
  const textSize = sql.unsafe(sized.map((name) => `coalesce(octet_length(${name}::text), 0)`).join(' + '))
  const stored = sql.unsafe(sized.map((name) => `coalesce(${storedSize(name)}, 0)`).join(' + '))
  const before = sql`over (order by ${sql.unsafe(order)} rows between unbounded preceding and 1 preceding)`
  return sql`
    select * from (
      select stored.*, sum(${textSize}) ${before} as "bytesBefore"
      from (
        select found.*, count(*) over () as "foundCount",
          sum(${stored}) ${before} as stored_before
        from found
      ) stored
      where coalesce(stored_before, 0) < ${bytesMax}
    ) cut
    where coalesce("bytesBefore", 0) < ${bytesMax}`
}

export const storedSize = (name: Sized): string =>
  `pg_column_size(${name})::bigint * case when pg_column_compression(${name}) is null then 1 else ${PACKED} end`
