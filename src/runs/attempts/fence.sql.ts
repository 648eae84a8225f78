// What the fence of attempts looks at: who holds a run now.
import type { RunState } from '#core/run.ts'
import type { Db } from '#postgres/sql.ts'

export type Standing = {
  runId: string
  projectId: string
  state: RunState
  attempt: number
  token: string | null
  /** Of its latest attempt that ended, until it completes or begins anew. */
  errorCode: string | null
}

const columns = (sql: Db) =>
  sql`run_id as "runId", project_id as "projectId", state, attempt, lease_token as token, error_code as "errorCode"`

export const readStandings = async (sql: Db, runIds: readonly string[]): Promise<Standing[]> => [
  ...(await sql<Standing[]>`
    select ${columns(sql)} from run_states where run_id = any(${runIds as string[]}::uuid[])`),
]

/** Holds them as they are until the transaction ends. In the order of ids, as everything that locks several of them. */
export const lockStandings = async (tx: Db, runIds: readonly string[]): Promise<Standing[]> => [
  ...(await tx<Standing[]>`
    select ${columns(tx)} from run_states
    where run_id = any(${runIds as string[]}::uuid[])
    order by run_id for update`),
]
