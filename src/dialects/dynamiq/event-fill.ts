// Data from outside the log that belongs into its events here: tool inputs and outputs, results of runs, and
// questions of policies.
import { readInputs } from '#agents/input-requests.sql.ts'
import { readCallsOfPage } from '#log/numbered-events.sql.ts'
import type { RunLogRow } from '#log/read-log.sql.ts'
import type { Sql } from '#postgres/sql.ts'
import { findRunBody } from '#run-state/read/read-runs.sql.ts'
import type { Filled, FilledRow } from './event-wire.ts'

const CALL = 'agent.tool_call.'

export type FilledPage = {
  rows: FilledRow[]
  /** The sequence of the first call that did not fit: from there on, events omit inputs and outputs. */
  cutAt: number | undefined
}

/** Rows of one run, in sequence order or reversed. */
export async function fillRows(sql: Sql, rows: readonly RunLogRow[], bytesMax: number): Promise<FilledPage> {
  const runUuid = rows[0]?.runUuid
  if (!runUuid) return { rows: [...rows], cutAt: undefined }
  const sequences = rows.filter((row) => row.type.startsWith(CALL)).map((row) => row.sequence!)
  const asking = rows.flatMap((row) => (row.type === 'policy.approval_required' ? (requestIdOf(row) ?? []) : []))
  const calls = sequences.length > 0 ? await readCallsOfPage(sql, runUuid, { sequences, bytesMax }) : []
  const requests = asking.length > 0 ? await readInputs(sql, asking) : []
  const body = rows.some((row) => row.type === 'run.completed') ? await findRunBody(sql, runUuid) : undefined
  const callAt = new Map(calls.map((call) => [call.sequence, call]))
  const requestOf = new Map(requests.map((request) => [request.id, request]))
  const beside = (row: RunLogRow): Filled | undefined => {
    if (row.type.startsWith(CALL)) return callAt.has(row.sequence!) ? { call: callAt.get(row.sequence!) } : undefined
    if (row.type === 'run.completed') return body && { result: body.result }
    if (row.type === 'policy.approval_required') return { request: requestOf.get(requestIdOf(row) ?? '') }
    return undefined
  }
  return {
    rows: rows.map((row) => {
      const more = beside(row)
      return more ? { ...row, filled: more } : row
    }),
    cutAt: calls.find((call) => !call.fits)?.sequence,
  }
}

/** For a stream: rows up to the first call that did not fit, which then begins the next page. */
export async function fillPage(sql: Sql, rows: readonly RunLogRow[], bytesMax: number): Promise<FilledRow[]> {
  const filled = await fillRows(sql, rows, bytesMax)
  return filled.cutAt === undefined ? filled.rows : filled.rows.filter((row) => row.sequence! < filled.cutAt!)
}

const requestIdOf = ({ data }: RunLogRow): string | undefined => data?.members().input_request_id as string | undefined
