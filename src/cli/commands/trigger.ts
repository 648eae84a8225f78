// Triggering a run, and waiting for it.
import { RunInput } from '#contract/runs/run.ts'
import { getRun, triggerRun } from '#contract/runs/runs.ts'
import type { Cli } from '../cli.ts'
import { type Commands, declare, onlyArg, textOf, type Values } from '../command.ts'
import { EXIT, usageError } from '../exit-codes.ts'
import { readJsonText } from '../input-text.ts'
import { memberText, withMember } from '../json-text.ts'
import { durationMs, spanWords } from '../moments.ts'
import { oneLine } from '../safe-text.ts'
import { type Names, SchemaOptions } from '../schema-options.ts'
import { consoleLink, type Run } from '../show/run-lines.ts'
import { followRunLines, WaitTooLong } from '../watch-run.ts'

const NAMES: Names = {
  agent_id: 'agent',
  delay_secs: 'delay',
  scheduled_at: 'at',
  tags: 'tag',
  metadata: 'meta',
  parent_run_id: 'parent',
  correlation_id: 'correlation',
  causation_id: 'causation',
  debug_mode: 'debug',
}
const fields = new SchemaOptions(RunInput, { names: NAMES, skip: ['payload'] })

export const triggerCommands: Commands = (program, open) => {
  declare(program, open, 'trigger <job>', {
    summary: 'Trigger a run of a job',
    description:
      'Trigger a run of a job and print its id. With --wait, the result is printed when the run has ended, and the exit ' +
      'code is 1 unless it has completed. With --follow, its log is printed meanwhile.',
    examples: [
      `trigger invoice -d '{"customer": "c1"}'`,
      'trigger invoice -d @payload.json --wait',
      'trigger invoice --follow --wait-timeout 10m',
      'trigger invoice --delay 3600 --idempotency-key c1:2026-10',
    ],
    options: (command) => {
      command.option('-d, --data <json>', 'Payload: JSON, @FILE, or - for stdin')
      command.option('--wait', 'Wait until the run has ended, and print its result')
      command.option('--follow', 'Print the log of the run until it has ended')
      command.option('--wait-timeout <duration>', 'Stop waiting after this long, such as 10m')
      fields.addTo(command)
    },
    action: triggerOne,
  })
}

async function triggerOne(cli: Cli, given: Values, args: readonly string[]): Promise<void> {
  const { terminal } = cli
  const job = onlyArg(args)
  const waitMs = waitMsOf(textOf(given, 'waitTimeout'))
  const data = textOf(given, 'data')
  const settings = await fields.read(given)
  const payload = data === undefined ? undefined : await readJsonText(data, '--data')
  const bodyText = payload === undefined ? undefined : withMember(JSON.stringify(settings), 'payload', payload)
  const { value: run, text } = await cli.ask(triggerRun, { job, ...settings }, { bodyText })
  const { url } = cli.target
  const waits = given.wait === true || given.follow === true
  if (run.replayed) terminal.say(`The idempotency key returned an earlier run, which is ${run.status}.`)
  if (!waits) {
    if (terminal.json) terminal.document(text)
    else terminal.line(oneLine(run.id))
    return terminal.say(`Console  ${consoleLink(url, run.id)}\nFollow   runyard logs ${oneLine(run.id)} -f`)
  }
  terminal.say(`Run      ${oneLine(run.id)}\nConsole  ${consoleLink(url, run.id)}`)
  await waitFor(cli, run, { lines: given.follow === true ? 'all' : 'moves', waitMs })
}

type Waiting = { lines: 'all' | 'moves'; waitMs: number | undefined }

async function waitFor(cli: Cli, run: Run, { lines, waitMs }: Waiting): Promise<void> {
  const { terminal } = cli
  try {
    await followRunLines(cli, run.id, { lines, on: lines === 'all' ? 'stdout' : 'stderr', waitMs })
  } catch (error) {
    if (!(error instanceof WaitTooLong)) throw error
    terminal.warn(`The run has not ended within ${spanWords(waitMs!)}; it goes on.`)
    terminal.say(`Explain  runyard why ${oneLine(run.id)}`)
    cli.exit = EXIT.no
    return
  }
  const { value: ended, text } = await cli.ask(getRun, { run_id: run.id })
  if (ended.status !== 'completed') cli.exit = EXIT.no
  if (lines === 'moves') {
    const result = memberText(text, 'result')
    if (terminal.json) terminal.document(text)
    else if (result !== undefined && result !== 'null') terminal.document(result)
  }
  const error = ended.error === null ? '' : `: ${oneLine(ended.error)}`
  terminal.say(
    `The run is ${terminal.styleWords(ended.status === 'completed' ? 'green' : 'red', ended.status)}${error}`,
  )
}

/** Timers of Node hold 2^31 - 1 milliseconds, which is somewhat more; beyond that they would end at once. */
const WAIT_MS_MAX = 24 * 86_400_000

function waitMsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const ms = durationMs(text)
  if (ms !== undefined && ms <= WAIT_MS_MAX) return ms
  throw usageError(`--wait-timeout must be a duration such as 30s or 10m, at most 24d, not "${text}".`)
}
