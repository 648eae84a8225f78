// Idempotency keys of runs that move, as parts of the statements that move them. `moves` names their CTE with run_id,
// state, type and idempotency_key. By arrays: the table may have been empty when this was planned, and a join with an
// empty table is planned as a walk through it for each run.
import { FAILURE_STATES } from '#core/run.ts'
import { type Db, type Fragment, literals } from '#postgres/sql.ts'

const keysOf = (sql: Db, moves: string, condition: Fragment): Fragment => sql`
  run_id = any(array(select run_id from ${sql(moves)} where idempotency_key is not null and ${condition}))`

/** Over at once, and still this run's: a redrive takes it back unless somebody else has it by then. */
export const releasedKeys = (sql: Db, moves: string): Fragment => sql`
  update idempotency_keys set expires_at = clock_timestamp()
  where ${keysOf(sql, moves, sql`state in (${literals(sql, FAILURE_STATES)})`)}`

export const reclaimedKeys = (sql: Db, moves: string): Fragment => sql`
  update idempotency_keys set expires_at = null
  where ${keysOf(sql, moves, sql`type = 'run.redriven'`)}`

/** A run that did what it should answers for its key for a day. */
export const expiringKeys = (sql: Db, moves: string): Fragment => sql`
  update idempotency_keys set expires_at = clock_timestamp() + interval '24 hours'
  where ${keysOf(sql, moves, sql`state in ('completed', 'canceled')`)}`
