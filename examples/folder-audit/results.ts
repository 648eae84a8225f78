// What the steps of an audit find, and what an audit is asked and answers.
import { z } from 'zod'
import type { Listing } from './folder.ts'
import type { Duplicates } from './tools/duplicates.ts'
import type { Headers } from './tools/headers.ts'
import type { ImportGraph } from './tools/import-graph.ts'
import type { LargestFiles } from './tools/largest-files.ts'
import type { LineCounts } from './tools/line-counts.ts'
import type { TestPresence } from './tools/test-presence.ts'
import type { Todos } from './tools/todos.ts'

export const Payload = z.strictObject({
  folder: z.string().min(1).max(512).default('src').describe('Folder to audit, below the root.'),
  parent: z.string().optional().describe('Set by an audit that hands a sub-folder on.'),
  pace_ms: z.number().min(0).max(10_000).default(0).describe('Rest after each step, so that a person can watch.'),
  ask_secs: z.int().min(0).max(86_400).default(0).describe('How long to wait for an objection to the report.'),
})
export type Payload = z.output<typeof Payload>

/** The result of the run. */
export type AuditResult = {
  folder: string
  files: number
  lines: number
  findings: string[]
  /** Key of the output that holds the report. */
  report: 'report'
}

export type ChildSummary = {
  folder: string
  runId: string
  status: string
  /** Null for a child that did not complete. */
  result: AuditResult | null
}

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
