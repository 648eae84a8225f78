// Follows one run in lines: everything, or only what moves it.
import type { Event } from '#contract/event.ts'
import { type FollowedEvent, followRunTexts } from '#sdk/follow.ts'
import type { Cli } from './cli.ts'
import { eventLine } from './show/event-lines.ts'

export class WaitTooLong extends Error {
  override readonly name = 'WaitTooLong'
}

type Following = {
  lines: 'all' | 'moves'
  on: 'stdout' | 'stderr'
  waitMs?: number | undefined
  afterSequence?: number | undefined
  deltas?: boolean | undefined
  types?: readonly string[] | undefined
}

/** Prints events until the run has ended; throws WaitTooLong when that takes longer than allowed. */
export async function followRunLines(cli: Cli, runId: string, following: Following): Promise<void> {
  const { waitMs, afterSequence, deltas = false, types } = following
  const late = waitMs === undefined ? undefined : AbortSignal.timeout(Math.ceil(waitMs))
  const signal = late ? AbortSignal.any([cli.signal, late]) : cli.signal
  try {
    const options = { signal, deltas, ...(afterSequence !== undefined && { afterSequence }), ...(types && { types }) }
    for await (const it of followRunTexts(cli.connection, runId, options)) showEvent(cli, it, following)
  } catch (error) {
    if (late?.aborted && !cli.signal.aborted) throw new WaitTooLong()
    throw error
  }
}

function showEvent(cli: Cli, { event, text }: FollowedEvent, { lines, on }: Following): void {
  const { terminal } = cli
  if (lines === 'moves' && !isMove(event)) return
  if (on === 'stderr') terminal.say(eventLine(cli, event, 'of a run'))
  else if (terminal.json) terminal.record(text)
  else terminal.line(eventLine(cli, event, 'of a run'))
}

/** Changes of state, progress and questions; not the log lines of the work itself. */
const isMove = ({ type }: Event): boolean =>
  type.startsWith('run.') || type.startsWith('input') || type.startsWith('approval') || type === 'progress'
