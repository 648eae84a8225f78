// Sealing without waiting for windows to be old.
import { sealNextWindow } from '#log/seals/seal-log.ts'
import type { Sql } from '#postgres/sql.ts'
import { until } from './http-yard.ts'

/** All that was appended up to now, as one window unless it is too large for one. */
export async function sealAll(sql: Sql): Promise<void> {
  // Any transaction on the server, and other tests have theirs, may hold some of it back for a moment.
  await until(
    async () => {
      const [row] = await sql<{ held: boolean }[]>`
        select exists (select from events where xid >= log_xid(pg_snapshot_xmin(pg_current_snapshot()))) as held`
      return row!.held
    },
    (held) => !held,
  )
  while ((await sealNextWindow({ sql }, 0)).outcome !== 'waiting');
}
