// Decisions about calls, with what people were asked about them.

import type { Json } from '#core/json/json.ts'
import type { Cost } from '#core/usage/cost.ts'
import { column } from '#postgres/column.ts'
import type { Db } from '#postgres/sql.ts'
import { type AuthorizationRow, authorizationColumns } from './authorizations.sql.ts'

/** A call, with what a person was asked about it. */
export type AskedCall = AuthorizationRow & {
  inputRequestId: string | null
  inputState: string | null
  /** The arguments as their approver left them; null where they could not be changed. */
  params: Json | null
}

const askedCalls = (sql: Db) => sql`
  select
    ${authorizationColumns(sql)},
    i.id as "inputRequestId",
    i.state as "inputState",
    case when i.editable_params <> '{}' and (i.answer->>'approved')::boolean then i.answer->'params' end as params
  from authorizations a
  left join input_requests i on i.authorization_id = a.id`

const askedRowOf = ({ microusd, picousd, ...row }: Omit<AskedCall, 'cost'> & Cost): AskedCall => ({
  ...row,
  cost: { microusd, picousd },
})

/** Those of these calls that were decided before: by the runs that make them, and the names that those gave them. */
export async function readKeyedCalls(tx: Db, calls: readonly { runId: string; key: string }[]): Promise<AskedCall[]> {
  if (calls.length === 0) return []
  const rows = await tx<(Omit<AskedCall, 'cost'> & Cost)[]>`
    ${askedCalls(tx)}
    where (a.run_id, a.key) in (
      select * from unnest(
        ${column(calls.map((it) => it.runId))}::uuid[],
        ${column(calls.map((it) => it.key))}::text[]
      )
    )`
  return rows.map(askedRowOf)
}

export async function findAskedCall(sql: Db, projectId: string, id: string): Promise<AskedCall | undefined> {
  const [row] = await sql<(Omit<AskedCall, 'cost'> & Cost)[]>`
    ${askedCalls(sql)}
    where a.id = ${id} and a.project_id = ${projectId}`
  return row && askedRowOf(row)
}
