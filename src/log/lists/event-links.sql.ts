// What caused what in a chain of causes: its events without what they say, of which thousands fit into an answer.
import type { Db } from '#postgres/sql.ts'
import type { LogEvent } from '../event-columns.sql.ts'
import { eventColumns } from '../event-columns.sql.ts'
import { waysTo } from './event-filter.sql.ts'

export type EventLink = Pick<
  LogEvent,
  | 'id'
  | 'type'
  | 'occurredAt'
  | 'actorType'
  | 'actorId'
  | 'actorName'
  | 'resourceType'
  | 'resourceId'
  | 'causationId'
  | 'runId'
  | 'sequence'
>

/** The oldest first. */
export async function listLinks(
  sql: Db,
  { projectId, correlationId }: { projectId: string; correlationId: string },
  limit: number,
): Promise<EventLink[]> {
  const by = sql`order by occurred_at, position limit ${limit}::int`
  const [first, ...rest] = waysTo(sql, { projectId, correlationId }).map(
    ({ where }) => sql`(select * from events where ${where} ${by})`,
  )
  const rows = await sql<EventLink[]>`
    select
      id,
      type,
      "occurredAt",
      "actorType",
      "actorId",
      "actorName",
      "resourceType",
      "resourceId",
      "causationId",
      "runId",
      sequence
    from (
      select ${eventColumns(sql)} from (${rest.reduce((all, way) => sql`${all} union all ${way}`, first!)}) events ${by}
    ) links`
  return [...rows]
}
