// What each step of an audit leaves behind. Together they are the checkpoint: what is in it is not done again.
import type { Listing } from './folder.ts'
import type { Duplicates } from './tools/duplicates.ts'
import type { Headers } from './tools/headers.ts'
import type { ImportGraph } from './tools/import-graph.ts'
import type { LargestFiles } from './tools/largest-files.ts'
import type { LineCounts } from './tools/line-counts.ts'
import type { TestPresence } from './tools/test-presence.ts'
import type { Todos } from './tools/todos.ts'

export type Results = {
  plan: { steps: StepName[] }
  list: Listing
  read: { files: number; bytes: number; notText: number; gone: number; truncated: boolean }
  spawn: { children: { folder: string; runId: string }[]; leftOut: number }
  lines: LineCounts
  largest: LargestFiles
  imports: ImportGraph
  duplicates: Duplicates
  headers: Headers
  todos: Todos
  tests: TestPresence
  collect: { children: ChildSummary[] }
  summary: { model: string; text: string } | null
  ask: { approved: boolean; answered: boolean }
  report: { bytes: number; findings: string[] }
}
export type StepName = keyof Results

export type ChildSummary = {
  folder: string
  runId: string
  status: string
  /** Null for a child that has not come to its end. */
  result: AuditResult | null
}

/** The result of the run. */
export type AuditResult = {
  folder: string
  files: number
  lines: number
  findings: string[]
  /** Key of the output that holds the report. */
  report: 'report'
}

export type Payload = {
  /** Relative to the root that the agent was given. */
  folder: string
  /** The run that asked for this audit as a part of its own. */
  parent: string | undefined
  /** Rest after each step, so that a person can watch. */
  paceMs: number
  /** How long to wait for somebody who may object to the report; 0: nobody is asked. */
  askSecs: number
}

const PACE_MS_MAX = 10_000
const ASK_SECS_MAX = 86_400

/** Whoever may trigger a run writes its payload: nothing in it is trusted. */
export function readPayload(payload: unknown): Payload {
  const { folder, parent, pace_ms, ask_secs } = (
    typeof payload === 'object' && payload !== null ? payload : {}
  ) as Record<string, unknown>
  return {
    folder: typeof folder === 'string' && folder !== '' ? folder : 'src',
    parent: typeof parent === 'string' ? parent : undefined,
    paceMs: typeof pace_ms === 'number' ? Math.min(Math.max(pace_ms, 0), PACE_MS_MAX) : 0,
    askSecs: typeof ask_secs === 'number' ? Math.min(Math.max(Math.floor(ask_secs), 0), ASK_SECS_MAX) : 0,
  }
}
