// Results of runs, for those that wait for many of them.
import type { Json } from '#core/json/json.ts'
import type { Db } from '#postgres/sql.ts'

type RunResult = { runId: string; result: Json | null; tooLarge: boolean }

/** Of results that are larger than `bytesMax` only that. */
export const readResults = async (sql: Db, runIds: readonly string[], bytesMax: number): Promise<RunResult[]> => [
  ...(await sql<RunResult[]>`
    select
      run_id as "runId",
      case when octet_length(result::text) <= ${bytesMax}::int then result end as result,
      coalesce(octet_length(result::text), 0) > ${bytesMax}::int as "tooLarge"
    from run_bodies
    where run_id = any(${runIds as string[]}::uuid[])`),
]
