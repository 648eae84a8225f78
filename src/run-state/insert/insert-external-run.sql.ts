// A run that others execute: it begins with its first event, which the caller writes in the same transaction.

import type { Actor } from '#core/event.ts'
import { EXTERNAL_QUEUE } from '#core/queue.ts'
import { countMoves, tally } from '#log/counts/counts.sql.ts'
import { valuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

export type NewExternalRun = {
  /** Derived from project and `clientId`, so that two first events at once mean the same run. */
  id: string
  projectId: string
  clientId: string
  actor: Actor
  correlationId: string
  agentId?: string | undefined
}

/** False when the run is there already. */
export async function insertExternalRun(sql: Db, run: NewExternalRun): Promise<boolean> {
  const [row] = await sql`
    with fresh as (
      insert into runs ${valuesOf(sql, {
        id: run.id,
        project_id: run.projectId,
        client_id: run.clientId,
        execution: sql`'external'`,
        queue: EXTERNAL_QUEUE,
        triggered_by: sql`'event'`,
        created_by_type: run.actor.type,
        created_by_id: run.actor.id,
        correlation_id: run.correlationId,
        rank: sql`0`,
        timeout_secs: sql`86400`,
        max_attempts: sql`1`,
        agent_id: run.agentId ?? null,
        created_at: sql`clock_timestamp()`,
      })}
      on conflict (id) do nothing
      returning
        id,
        project_id,
        queue,
        job_id,
        created_at,
        'executing'::text as state,
        null::text as state_before,
        null::text as type,
        null::text as actor_type,
        null::text as actor_id,
        date_trunc('milliseconds', created_at) as occurred_at
    ), states as (
      insert into run_states (
        run_id,
        project_id,
        state,
        listed_state,
        last_sequence,
        created_at,
        state_since,
        started_at
      )
      select
        id,
        project_id,
        state,
        state,
        0,
        created_at,
        created_at,
        created_at
      from fresh
    ), bodies as (
      insert into run_bodies (run_id) select id from fresh
    ), tallied as materialized (${tally(sql, 'fresh')}), counted as (${countMoves(sql, 'tallied')})
    select id from fresh`
  return row !== undefined
}
