// The line of an event: a CloudEvent in JSON, byte for byte the same whenever it is asked for. Seals hash it, exports
// hold it. It is made by PostgreSQL, because numbers of any length and the order of keys come through no other parser
// as they are stored. Nothing in it may ever change for an event that is sealed: see decision 0013.
import type { Db, Fragment } from '#postgres/sql.ts'

/** Every column of `events` has its place in the line, or an edit of it would go unseen; a test compares. */
export const eventLine = (sql: Db): Fragment => sql`
  concat(
    '{"specversion":"1.0","id":"',
    id,
    '","source":',
    to_json('/projects/' || project_id),
    ',"type":',
    to_json(type),
    ',"subject":' || to_json(
      coalesce(resource_type || '/' || resource_id, 'run/' || coalesce(run_ref, run_id::text))
    )::text,
    ',"time":',
    ${jsonTime(sql, sql`occurred_at`)},
    ',"recordedtime":',
    ${jsonTime(sql, sql`recorded_at`)},
    ',"position":"',
    position,
    '","xid":"',
    xid,
    '","actortype":',
    to_json(actor_type),
    ',"actorid":' || to_json(actor_id)::text,
    ',"resourcetype":' || to_json(resource_type)::text,
    ',"resourceid":' || to_json(resource_id)::text,
    ',"correlationid":',
    to_json(correlation_id),
    ',"causationid":"' || causation_id || '"',
    ',"runid":"' || run_id || '"',
    ',"runref":' || to_json(run_ref)::text,
    ',"runsequence":"' || sequence || '"',
    ',"attempt":' || attempt,
    ',"step":' || to_json(step)::text,
    ',"tool":' || to_json(tool)::text,
    ',"agentid":' || to_json(agent_id)::text,
    ',"reqid":' || to_json(req_id)::text,
    ',"leaseid":' || to_json(lease_id)::text,
    ',"level":' || to_json(level)::text,
    ',"status":' || to_json(status)::text,
    ',"message":' || to_json(message)::text,
    ',"durationms":"' || duration_ms || '"',
    ',"datacontenttype":"application/json","data":' || coalesce(data::text, parsed_data::text),
    '}'
  )`

// In UTC, and in this format, whatever the session says. Half the cost of to_char, which was a sixth of the whole line.
const jsonTime = (sql: Db, at: Fragment): Fragment => sql`left(to_json(${at} at time zone 'UTC')::text, -1) || 'Z"'`

/** Of the line in UTF-8, whatever the encoding of the database. */
export const eventHash = (sql: Db): Fragment => sql`sha256(convert_to(${eventLine(sql)}, 'UTF8'))`
