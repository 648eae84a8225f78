// A run's attempts and its debug bundle as the native surface shows them, and the bundle as files.

import type { Attempt, DebugBundle, Dispatch } from '#contract/runs/debug.ts'
import { printJson } from '#core/json/json.ts'
import { prettyJson } from '#core/json/json-text.ts'
import { own } from '#core/own.ts'
import type { DispatchRow } from '#dispatch/dispatches.sql.ts'
import type { DebugBundle as Bundle } from '#insight/debug-bundle.ts'
import type { RunAttempt } from '#insight/read-attempts.ts'
import type { RunSummary } from '#insight/read-records.sql.ts'
import { versionWire } from '../routes/jobs.ts'
import type { ZippedFile } from '../zip.ts'
import { eventWire } from './event-wire.ts'
import { executionTrace, runWire, whyWire } from './run-wire.ts'
import { toWire } from './words.ts'

export const dispatchWire = ({ trace, ...row }: DispatchRow): Dispatch => ({
  ...toWire(row),
  execution_trace: trace && executionTrace(trace),
})

export const attemptWire = ({ dispatch, ...attempt }: RunAttempt): Attempt => ({
  ...ownWire(attempt),
  ...(dispatch && { dispatch: dispatchWire(dispatch) }),
})

const ownWire = ({ state, trace, endedByOwner: _, ...attempt }: Omit<RunAttempt, 'dispatch'>) => ({
  ...toWire(attempt),
  status: state,
  execution_trace: trace && executionTrace(trace),
})

/** What a list is called on the wire, where that is another word. */
const LIST_NAMES: Record<string, string> = { toolCalls: 'tool_calls', values: 'state' }

export function bundleWire(it: Bundle, madeAt: Date): DebugBundle {
  const ofRun = <Row extends object>(row: Row) => ({ run_id: it.run.publicId, ...toWire(row) })
  const { payload = null, result = null, trace = null } = it.body ?? {}
  return {
    made_at: madeAt.toISOString(),
    debug_mode: it.run.debugMode,
    truncated: it.truncated.map((name) => own(LIST_NAMES, name) ?? name),
    run: runWire(it.run, { payload, result, trace, gone: it.body === undefined }),
    why: whyWire(it.run, it.why),
    ...(it.jobVersion && { job_version: versionWire(it.jobVersion, it.run.jobSlug!) }),
    attempts: it.attempts.map(({ dispatch, ...attempt }) => ({
      ...ownWire(attempt),
      dispatch_id: dispatch?.id ?? null,
    })),
    dispatches: it.dispatches.map(dispatchWire),
    events: it.events.map(eventWire),
    deltas: it.deltas.map(eventWire),
    checkpoints: it.checkpoints.map(ofRun),
    tool_calls: it.toolCalls.map(ofRun),
    usage: it.usage.map(ofRun),
    usage_totals: toWire(it.usageTotals),
    outputs: it.outputs.map(ofRun),
    state: it.values.map(ofRun),
    children: it.children.map(summaryWire),
    lineage: it.lineage.map(summaryWire),
  }
}

const summaryWire = ({ id: _, publicId, state, ...run }: RunSummary) => ({
  id: publicId,
  status: state,
  ...toWire(run),
})

const WHAT_IS_IN: Record<Exclude<keyof DebugBundle, 'made_at' | 'debug_mode' | 'truncated'>, string> = {
  run: 'the run as it is now, with its payload and result',
  why: 'why it stands where it stands',
  job_version: 'the version of the job that it is bound to',
  attempts: 'each attempt: when, by whom, how it ended, where the time went',
  dispatches: 'what was sent to the endpoint and what came back (debug mode only)',
  events: 'the log of the run, one event per line',
  deltas: 'stream chunks and debug lines that are still kept, one per line',
  checkpoints: 'checkpoints, the latest first',
  tool_calls: 'tool calls with what went in and out',
  usage: 'calls of models',
  usage_totals: 'the sums of these',
  outputs: 'outputs, by key',
  state: 'values that the run keeps, by key',
  children: 'runs that it spawned',
  lineage: 'the chain of continuations that it belongs to',
}
const LINES: ReadonlySet<string> = new Set(['events', 'deltas'])

const nameOf = (part: string): string => `${part}.${LINES.has(part) ? 'ndjson' : 'json'}`

/** The files of a bundle; the text of a list is made an item at a time. */
export const bundleFiles = (bundle: DebugBundle): ZippedFile[] => [
  { name: 'README.txt', text: [readme(bundle)] },
  ...(Object.keys(WHAT_IS_IN) as (keyof typeof WHAT_IS_IN)[]).map((part) => ({
    name: nameOf(part),
    text: textOf(part, bundle[part] ?? null),
  })),
]

function* textOf(part: string, value: unknown): Generator<string> {
  if (!Array.isArray(value)) yield `${prettyJson(printJson(value))}\n`
  else if (LINES.has(part)) for (const item of value) yield `${printJson(item)}\n`
  else {
    for (const [index, item] of value.entries()) yield `${index === 0 ? '[\n' : ',\n'}${prettyJson(printJson(item))}`
    yield value.length === 0 ? '[]\n' : '\n]\n'
  }
}

function readme({ run, made_at, debug_mode, truncated }: DebugBundle): string {
  const files = Object.entries(WHAT_IS_IN).map(([part, words]) => `  ${nameOf(part).padEnd(20)} ${words}`)
  const mode = debug_mode
    ? 'Debug mode was on when this was made: debug lines are kept as events, and dispatches with their headers.'
    : 'Debug mode was off when this was made: debug lines are kept for days only, and dispatches are not recorded.'
  const cut =
    truncated.length === 0
      ? 'Nothing was left out.'
      : `Not everything is in ${truncated.join(', ')}: there was more than a bundle may hold.`
  return [
    `Debug bundle of run ${run.id}, ${run.status}, made at ${made_at} by Runyard.`,
    '',
    mode,
    cut,
    'Secrets in headers and addresses are masked; payload, results, logs and the like are as they were written.',
    '',
    ...files,
    '',
  ].join('\n')
}
