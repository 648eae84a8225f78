// Which server this is: its system identifier and its timeline. A standby that is promoted begins a new timeline.
import type { Db } from '../tag.ts'

/** Undefined is what the server does not tell, such as a hosted one that does not let our role ask. */
export type System = { system: string | undefined; timeline: string | undefined }

/** Errors of a connection or a server pass; any other means that a managed server lacks it or does not let us ask. */
const PASSES = /^(?:08|25|40|53|57|58)/

export async function readSystem(sql: Db): Promise<System> {
  return {
    system: await told(sql<{ it: string }[]>`select system_identifier::text as it from pg_control_system()`),
    timeline: await told(sql<{ it: string | null }[]>`
      select case when not pg_is_in_recovery() then left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) end as it`),
  }
}

async function told(asked: PromiseLike<readonly { it: string | null }[]>): Promise<string | undefined> {
  try {
    return (await asked)[0]?.it ?? undefined
  } catch (error) {
    const { code = '' } = error as { code?: string }
    if (!/^(?:\d|XX)[0-9A-Z]{3,4}$/.test(code) || PASSES.test(code)) throw error
    return undefined
  }
}

/** A server that others have left behind: it has the same origin, and a timeline that ended. */
export const isLeftBehind = (found: System, known: System): boolean =>
  found.system !== undefined &&
  found.system === known.system &&
  found.timeline !== undefined &&
  known.timeline !== undefined &&
  Number.parseInt(found.timeline, 16) < Number.parseInt(known.timeline, 16)

/** Tells this database from any other one, on this server and elsewhere. */
export async function readWhere(sql: Db): Promise<string> {
  const [row] = await sql<{ at: string }[]>`
    select extract(epoch from pg_postmaster_start_time())::text || ' ' || current_database() as at`
  return row!.at
}
