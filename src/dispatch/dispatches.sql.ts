// What was sent and what came back, one row per dispatch of a run in debug mode.
import { newId } from '#postgres/id.ts'
import { jsonText } from '#postgres/json.ts'
import type { Db } from '#postgres/sql.ts'

export type DispatchRow = {
  id: string
  attempt: number
  /** The node that called. */
  owner: string
  url: string
  requestHeaders: Record<string, string>
  requestBytes: number
  status: number | null
  responseHeaders: Record<string, string> | null
  responseBytes: number | null
  error: string | null
  errorCode: string | null
  /** Milliseconds, as in the trace of a run. */
  trace: Record<string, number> | null
  startedAt: Date
  recordedAt: Date
}

/** `agoMs` is how long ago the call began: the database's clock alone says when that was. */
export type NewDispatch = Omit<DispatchRow, 'id' | 'startedAt' | 'recordedAt'> & { runId: string; agoMs: number }

/** Keeps the latest `keepMax` of the run. A run that was deleted meanwhile gets none. */
export async function insertDispatch(db: Db, it: NewDispatch, keepMax: number): Promise<void> {
  await db`
    with written as (
      insert into run_dispatches (
        id,
        run_id,
        attempt,
        owner,
        url,
        request_headers,
        request_bytes,
        status,
        response_headers,
        response_bytes,
        error,
        error_code,
        trace,
        started_at
      )
      select
        ${newId()}::uuid,
        id,
        ${it.attempt}::int,
        ${it.owner}::text,
        ${it.url}::text,
        ${jsonText(it.requestHeaders)}::text::jsonb,
        ${it.requestBytes}::int,
        ${it.status}::int,
        ${it.responseHeaders && jsonText(it.responseHeaders)}::text::jsonb,
        ${it.responseBytes}::int,
        ${it.error}::text,
        ${it.errorCode}::text,
        ${it.trace && jsonText(it.trace)}::text::jsonb,
        clock_timestamp() - ${it.agoMs}::float8 * interval '1 ms'
      from runs
      where id = ${it.runId}::uuid
    )
    -- The new row is not seen here, and is one of those that stay.
    delete from run_dispatches
    where run_id = ${it.runId}::uuid
      and id = any(
        array(
          select run_dispatches.id from run_dispatches
          where run_id = ${it.runId}::uuid
          order by created_at desc, id desc offset ${keepMax - 1}::int
        )
      )`
}

/** In the order in which they were made. */
export const listDispatches = async (db: Db, runId: string): Promise<DispatchRow[]> => [
  ...(await db<DispatchRow[]>`
    select
      id,
      attempt,
      owner,
      url,
      request_headers as "requestHeaders",
      request_bytes as "requestBytes",
      status,
      response_headers as "responseHeaders",
      response_bytes as "responseBytes",
      error,
      error_code as "errorCode",
      trace,
      started_at as "startedAt",
      created_at as "recordedAt"
    from run_dispatches
    where run_id = ${runId}
    order by created_at, id`),
]
