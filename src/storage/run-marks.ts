// The few things about a run that change after it was asked for: metadata, the debug mark, the idempotency key.
import type { Db } from './sql.ts'

/** Lays `added` over the metadata; false when that would make more than `keysMax` keys. */
export async function mergeMetadata(
  db: Db,
  runId: string,
  added: Record<string, string>,
  keysMax: number,
): Promise<boolean> {
  const [row] = await db`
    update runs set metadata = metadata || ${JSON.stringify(added)}::text::jsonb
    where id = ${runId} and (select count(*) from jsonb_object_keys(metadata || ${JSON.stringify(added)}::text::jsonb)) <= ${keysMax}
    returning id`
  return row !== undefined
}

/** False when the mark is as wanted already. */
export async function setDebugMode(db: Db, runId: string, debugMode: boolean): Promise<boolean> {
  const [row] =
    await db`update runs set debug_mode = ${debugMode} where id = ${runId} and debug_mode <> ${debugMode} returning id`
  return row !== undefined
}

/** Frees the run's idempotency key. False when it holds none. */
export async function freeIdempotencyKey(db: Db, runId: string): Promise<boolean> {
  const [row] = await db`delete from idempotency_keys where run_id = ${runId} returning key`
  return row !== undefined
}
