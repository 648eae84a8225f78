// One call for each run, a few at a time. What fails for one run is reported and stops no other.
import type { Route } from '#contract/route.ts'
import { getRun, listRuns } from '#contract/runs/runs.ts'
import { RunyardError } from '#sdk/error.ts'
import type { Answer, Cli } from './cli.ts'
import type { Values } from './command.ts'
import { CommandError, EXIT, exitCodeOf } from './exit-codes.ts'
import { confirm } from './input-text.ts'
import { plural } from './moments.ts'
import { listItems } from './pages.ts'
import { oneLine } from './safe-text.ts'

export type Verb = { now: string; done: string }

type Acting = { route: Route; verb: Verb; fields: Values; dryRun: boolean } & (
  | { ids: readonly string[] }
  | { matching: Values; yes: boolean }
)

type Acted = { id: string; status: string }

const AT_ONCE = 8
const RUNS_MAX = 10_000
const SAMPLE = 5

export async function actOnEach(cli: Cli, acting: Acting): Promise<void> {
  const { terminal } = cli
  const { verb, dryRun } = acting
  const matching = 'matching' in acting ? await matchingRuns(cli, acting.matching) : undefined
  const ids = 'ids' in acting ? acting.ids : matching!.map(({ value }) => value.id)
  if (dryRun) {
    terminal.say(`${plural(ids.length, 'run')} would be ${verb.done}; nothing was changed.`)
    return showRuns(cli, matching ?? readEach(cli, ids))
  }
  if ('matching' in acting) {
    if (ids.length === 0) return terminal.say('No run matches.')
    terminal.say(sampleWords(ids, verb))
    const agreed = acting.yes || (await confirm(cli, `${capital(verb.now)} ${plural(ids.length, 'run')}?`))
    if (!agreed) throw new CommandError('not_confirmed', 'Nothing was done.', { exit: EXIT.no })
  }
  const failures = await callEach(cli, acting, ids)
  if (failures.length === 0) return
  cli.exit = exitCodeOf(failures[0])
  if (ids.length > 1) terminal.warn(`${plural(failures.length, 'run')} of ${ids.length} could not be ${verb.done}.`)
}

async function callEach(cli: Cli, { route, verb, fields }: Acting, ids: readonly string[]): Promise<unknown[]> {
  const failures: unknown[] = []
  const left = [...ids].toReversed()
  let done = 0
  const work = async () => {
    for (let id = left.pop(); id !== undefined; id = left.pop()) {
      try {
        const { value, text } = await cli.ask<Route>(route, { run_id: id, ...fields })
        if (cli.terminal.json) cli.terminal.record(text)
        else showDone(cli, id, verb, value as unknown as Acted)
      } catch (error) {
        if (!(error instanceof RunyardError) || isFatal(error)) throw error
        failures.push(error)
        cli.terminal.warn(`${oneLine(id)}: ${oneLine(error.message)} (${oneLine(error.code)})`)
      }
      done++
      if (ids.length > AT_ONCE) cli.terminal.bar(done, ids.length, `${done} of ${ids.length}`)
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, ids.length) }, work))
  cli.terminal.endBar()
  return failures
}

function showDone({ terminal }: Cli, asked: string, { done }: Verb, { id, status }: Acted): void {
  // The id of a replay is a new one.
  terminal.line(oneLine(id))
  terminal.say(
    id === asked ? `${oneLine(id)} was ${done}; it is ${status}.` : `${oneLine(asked)} was ${done} as ${oneLine(id)}.`,
  )
}

/** Without an answer, or without access, the next call would fare no better. */
const isFatal = ({ status }: RunyardError): boolean => status === 0 || status === 401 || status === 403

type Shown = Answer<{ id: string; status: string; job_slug: string | null }>

async function matchingRuns(cli: Cli, matching: Values): Promise<Shown[]> {
  const runs: Shown[] = []
  for await (const run of listItems(cli, listRuns, { input: matching, limit: RUNS_MAX })) runs.push(run)
  if (runs.length >= RUNS_MAX) cli.terminal.say(`Only the newest ${RUNS_MAX} matching runs are taken.`)
  return runs
}

async function* readEach(cli: Cli, ids: readonly string[]): AsyncGenerator<Shown> {
  for (const run_id of ids) yield await cli.ask(getRun, { run_id, include: [] })
}

async function showRuns(cli: Cli, runs: Iterable<Shown> | AsyncIterable<Shown>): Promise<void> {
  for await (const { value, text } of runs) {
    if (cli.terminal.json) cli.terminal.record(text)
    else cli.terminal.line(`${oneLine(value.id)}  ${value.status}  ${oneLine(value.job_slug ?? '-')}`)
  }
}

export function sampleWords(ids: readonly string[], { now }: Verb): string {
  const more = ids.length > SAMPLE ? `\n  and ${plural(ids.length - SAMPLE, 'other')}` : ''
  return `Runs to ${now}:\n${ids
    .slice(0, SAMPLE)
    .map((id) => `  ${oneLine(id)}`)
    .join('\n')}${more}`
}

export const capital = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1)
