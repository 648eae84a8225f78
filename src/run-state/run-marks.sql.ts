// The few things about a run that change after it was asked for: metadata, the debug mark, the idempotency key.
import type { Db } from '#postgres/sql.ts'
import { deleteLabels, insertLabels } from './labels.sql.ts'

/**
 * Lays `added` over the metadata; false when that would make more than `keysMax` keys. The caller holds the run's lock:
 * of two at once, the second would not see the labels that the first has written.
 */
export async function mergeMetadata(
  db: Db,
  runId: string,
  added: Record<string, string>,
  keysMax: number,
): Promise<boolean> {
  const [row] = await db`
    with run as materialized (
      select *, metadata || ${JSON.stringify(added)}::text::jsonb as merged
      from runs
      where id = ${runId}
      for no key update
    ), allowed as materialized (
      select * from run where (select count(*) from jsonb_object_keys(merged)) <= ${keysMax}
    ), changed as materialized (
      -- Entries that stay as they are keep their labels: the same row could not be deleted and inserted at once.
      select
        coalesce(jsonb_object_agg(key, run.metadata->key) filter (where run.metadata ? key), '{}') as before,
        coalesce(jsonb_object_agg(key, value), '{}') as after
      from run, jsonb_each(run.merged)
      where run.metadata->key is distinct from value
    ), stale as materialized (
      select id, project_id, created_at, '{}'::jsonb as tags, changed.before as metadata from allowed, changed
    ), fresh as materialized (
      select id, project_id, created_at, '{}'::jsonb as tags, changed.after as metadata from allowed, changed
    ), unlabeled as (${deleteLabels(db, 'stale')}), labeled as (${insertLabels(db, 'fresh')})
    update runs set metadata = merged
    from allowed
    where runs.id = allowed.id
    returning runs.id`
  return row !== undefined
}

/** Whether the run is in debug mode. */
export async function isDebugged(db: Db, runId: string): Promise<boolean> {
  const [row] = await db<{ debugMode: boolean }[]>`select debug_mode as "debugMode" from runs where id = ${runId}`
  return row?.debugMode ?? false
}

/** False when the mark is as wanted already. */
export async function setDebugMode(db: Db, runId: string, debugMode: boolean): Promise<boolean> {
  const [row] =
    await db`update runs set debug_mode = ${debugMode} where id = ${runId} and debug_mode <> ${debugMode} returning id`
  return row !== undefined
}

/** Frees the run's idempotency key, which it then no longer shows. False when it holds none. */
export async function freeIdempotencyKey(db: Db, runId: string): Promise<boolean> {
  const [row] = await db`
    with forgotten as (update runs set idempotency_key = null where id = ${runId} and idempotency_key is not null)
    delete from idempotency_keys where run_id = ${runId} returning key`
  return row !== undefined
}
