// Runs as people read them: in a list, as one, and with the colour of their state.
import { basename } from 'node:path'
import type { Output } from '#contract/route.ts'
import type { getRun, listRuns } from '#contract/runs/runs.ts'
import type { Cli } from '../cli.ts'
import { indentJson, memberText } from '../json-text.ts'
import { agoWords, clockWords, spanWords } from '../moments.ts'
import { begin, oneLine } from '../safe-text.ts'
import type { Column } from '../table.ts'

export type Run = Output<typeof getRun>
type Listed = Output<typeof listRuns>['data'][number]

const STATE_STYLES: ReadonlyMap<string, 'green' | 'red' | 'yellow' | 'cyan' | 'dim'> = new Map([
  ['completed', 'green'],
  ['failed', 'red'],
  ['dead_letter', 'red'],
  ['timed_out', 'red'],
  ['crashed', 'red'],
  ['system_failed', 'red'],
  ['canceled', 'dim'],
  ['expired', 'dim'],
  ['waiting', 'yellow'],
  ['paused', 'yellow'],
  ['executing', 'cyan'],
  ['dequeued', 'cyan'],
])
export const stateStyle = (status: string) => STATE_STYLES.get(status)

/** How long the latest attempt took, or has taken so far. */
function tookWords({ started_at, finished_at }: Listed): string | null {
  if (!started_at) return null
  const endMs = finished_at ? Date.parse(finished_at) : Date.now()
  return spanWords(Math.max(0, endMs - Date.parse(started_at)))
}

export const RUN_COLUMNS: readonly Column<Listed>[] = [
  { title: 'RUN', of: (run) => run.id, whole: true },
  { title: 'STATUS', of: (run) => run.status, whole: true, style: (run) => stateStyle(run.status) },
  { title: 'JOB', of: (run) => run.job_slug },
  { title: 'AGE', of: (run) => agoWords(run.created_at).replace(' ago', ''), align: 'right', whole: true },
  { title: 'TOOK', of: tookWords, align: 'right', whole: true, extra: 1 },
  { title: 'ATTEMPT', of: (run) => `${run.attempt}/${run.max_attempts}`, align: 'right', whole: true, extra: 2 },
  { title: 'AGENT', of: (run) => run.agent_id, extra: 4 },
  { title: 'ERROR', of: (run) => run.error, extra: 3, style: () => 'red' },
]

const BODY_CHARS_MAX = 4000

export function showRun({ terminal }: Cli, run: Run, text: string): void {
  const when = (time: string | null) => time && `${clockWords(time, terminal.utc)} (${agoWords(time)})`
  const labels = (map: Record<string, string>) =>
    Object.entries(map)
      .map(([key, value]) => `${key}=${value}`)
      .join(' ')
  const { name, id } = run.created_by
  terminal.facts([
    ['Run', run.id],
    ['Status', run.status, stateStyle(run.status)],
    ['Job', run.job_slug && `${run.job_slug} (version ${run.job_version})`],
    ['Agent', run.agent_id],
    ['Queue', run.queue],
    ['Attempt', `${run.attempt} of ${run.max_attempts}`],
    ['Triggered', `${when(run.created_at)} by ${run.triggered_by}${(name ?? id) ? ` ${name ?? id}` : ''}`],
    ['Scheduled', when(run.scheduled_at)],
    ['Started', when(run.started_at)],
    ['Finished', when(run.finished_at)],
    ['Took', run.finished_at && tookWords(run)],
    ['Next retry', when(run.next_retry_at)],
    ['Parent', run.parent_run_id],
    ['Replay of', run.replayed_from],
    ['Correlation', run.correlation_id],
    ['Tags', labels(run.tags)],
    ['Metadata', labels(run.metadata)],
    ['Error', run.error && `${run.error}${run.error_code ? ` (${run.error_code})` : ''}`],
  ])
  if (terminal.plain) return
  for (const [title, key] of [
    ['Payload', 'payload'],
    ['Result', 'result'],
  ] as const) {
    const body = memberText(text, key)
    if (body === undefined || body === 'null') continue
    const shown = indentJson(body)
    terminal.line(terminal.style('dim', title))
    terminal.text(begin(shown, BODY_CHARS_MAX))
    if (shown.length > BODY_CHARS_MAX) terminal.say(`The ${key} is longer; --json shows all of it.`)
  }
  if (run.payload_gone) terminal.say('Payload and result are past their retention period.')
}

/** The page of a run in the console. */
export const consoleLink = (url: string, runId: string): string => `${url}/runs/${encodeURIComponent(runId)}`

/** A file name that an id cannot lead out of its folder. */
export const fileNameOf = (runId: string): string =>
  basename(oneLine(runId))
    .replace(/[^\w.-]/g, '_')
    .slice(0, 100)
