// What went into and came out of the calls of tools that spans tell of, beside their events.
import { newId } from '#postgres/id.ts'
import { rowsOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

export type ReportedToolCall = {
  runId: string
  sequence: number
  toolName: string
  input: string | null
  output: string | null
  durationMs: number | null
  status: string
}

/** Input and output are JSON text. Calls of the attempt that the run is at, as their events are. */
export async function insertToolCalls(tx: Db, calls: readonly ReportedToolCall[]): Promise<void> {
  if (calls.length === 0) return
  await tx`
    insert into run_tool_calls (
      id,
      run_id,
      sequence,
      attempt,
      tool_name,
      input,
      output,
      duration_ms,
      status
    )
    select
      t.id,
      t.run_id,
      t.sequence,
      greatest(s.attempt, 1),
      t.tool_name,
      t.input::json,
      t.output::json,
      t.duration_ms,
      t.status
    from ${rowsOf(tx, calls, {
      'id uuid': () => newId(),
      'run_id uuid': (it) => it.runId,
      'sequence bigint': (it) => it.sequence,
      'tool_name text': (it) => it.toolName,
      'input text': (it) => it.input,
      'output text': (it) => it.output,
      'duration_ms float8': (it) => it.durationMs,
      'status text': (it) => it.status,
    })}
    join run_states s on s.run_id = t.run_id`
}
