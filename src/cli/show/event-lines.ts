// Events as lines: when, how grave, what, and the sentence or the few fields that tell most.
import type { Event } from '#contract/event.ts'
import type { Cli } from '../cli.ts'
import { clockWords, spanWords } from '../moments.ts'
import { begin, oneLine } from '../safe-text.ts'

const DATA_CHARS_MAX = 200
const LEVEL_STYLES: ReadonlyMap<string, 'dim' | 'yellow' | 'red'> = new Map([
  ['debug', 'dim'],
  ['warn', 'yellow'],
  ['error', 'red'],
])

/** `ofRun` leaves out what is the same in every line of one run's log. */
export function eventLine({ terminal }: Cli, event: Event, ofRun: 'of a run' | 'of the project'): string {
  const { occurred_at, level, type, message, step, tool, run_id, agent_id } = event
  const place = [
    step && `step=${step}`,
    tool && `tool=${tool}`,
    ofRun === 'of the project' && run_id && `run=${run_id}`,
    ofRun === 'of the project' && agent_id && `agent=${agent_id}`,
    event.duration_ms !== null && spanWords(event.duration_ms),
  ].filter(Boolean)
  const words = message ?? dataWords(event.data)
  const rest = [words, place.join(' ')].filter(Boolean).join('  ')
  if (terminal.plain) return [occurred_at, level ?? '', type, oneLine(rest)].join('\t')
  const time = terminal.style('dim', clockWords(occurred_at, terminal.utc))
  const style = LEVEL_STYLES.get(level ?? '')
  const head = style ? terminal.style(style, oneLine(type)) : oneLine(type)
  return `${time}  ${head}  ${oneLine(rest)}`.trimEnd()
}

function dataWords(data: unknown): string {
  if (data === null || data === undefined) return ''
  const text = typeof data === 'string' ? data : JSON.stringify(data)
  return begin(text, DATA_CHARS_MAX)
}
