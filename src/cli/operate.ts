// An operation over all runs of a filter: counted first, confirmed, started, and followed to its end.
import type { Output } from '#contract/route.ts'
import { cancelOperation, getOperation, startOperation } from '#contract/runs/bulk.ts'
import { sleep } from '#sdk/sleep.ts'
import { capital, type Verb } from './act-on-each.ts'
import type { Cli } from './cli.ts'
import type { Values } from './command.ts'
import { CommandError, EXIT } from './exit-codes.ts'
import { confirm } from './input-text.ts'
import { countWords, plural } from './moments.ts'
import { oneLine } from './safe-text.ts'

type Operating = {
  kind: 'cancel' | 'replay' | 'redrive'
  filter: Values
  verb: Verb
  reason: string | undefined
  max: number | undefined
  dryRun: boolean
  yes: boolean
}
type Operation = Output<typeof getOperation>

const EVERY_MS = 500

export async function operate(cli: Cli, operating: Operating): Promise<void> {
  const { terminal } = cli
  const { kind, filter, verb, reason, max, dryRun, yes } = operating
  const body = { kind, filter, ...(reason !== undefined && { reason }), ...(max !== undefined && { max_runs: max }) }
  const { value, text } = await cli.ask(startOperation, { ...body, dry_run: true })
  if (!('matched_is_exact' in value)) throw new Error('a dry run was answered with an operation')
  const { matched, matched_is_exact, sample } = value
  if (dryRun && terminal.json) return terminal.document(text)
  const many = `${matched_is_exact ? '' : 'more than '}${plural(matched, 'run')}`
  if (dryRun) {
    terminal.say(`${capital(many)} would be ${verb.done}; nothing was changed.`)
    for (const id of sample) terminal.line(oneLine(id))
    return
  }
  if (matched === 0) return terminal.say('No run matches.')
  if (!yes) {
    terminal.say(`For example:\n${sample.map((id) => `  ${oneLine(id)}`).join('\n')}`)
    const agreed = await confirm(cli, `${capital(verb.now)} ${many}?`)
    if (!agreed) throw new CommandError('not_confirmed', 'Nothing was done.', { exit: EXIT.no })
  }
  const started = (await cli.ask(startOperation, body)).value as Operation
  await followOperation(cli, started, verb)
}

async function followOperation(cli: Cli, started: Operation, verb: Verb): Promise<void> {
  const { terminal } = cli
  const operation_id = started.id
  terminal.say(`Operation ${operation_id}; Ctrl-C stops it.`)
  try {
    for (;;) {
      const { value, text } = await cli.ask(getOperation, { operation_id })
      if (value.status !== 'running') return showEnd(cli, value, text, verb)
      const speed = value.runs_per_second > 0 ? `, ${countWords(Math.round(value.runs_per_second))} a second` : ''
      const of = value.expected === null ? '' : ` of ${countWords(value.expected)}`
      terminal.bar(value.matched, value.expected, `${countWords(value.matched)}${of} runs${speed}`)
      await sleep(EVERY_MS, cli.signal)
    }
  } catch (error) {
    if (!cli.signal.aborted) throw error
    // Somebody who interrupts a bulk action wants it to stop, not to go on unseen.
    await cli.ask(cancelOperation, { operation_id }, { signal: AbortSignal.timeout(5_000) }).then(
      () => terminal.warn('The operation was stopped; what it has done already stays done.'),
      () =>
        terminal.warn(`The operation may still be running; stop it with: runyard api cancelOperation ${operation_id}`),
    )
    throw error
  }
}

function showEnd(cli: Cli, operation: Operation, text: string, verb: Verb): void {
  const { terminal } = cli
  terminal.endBar()
  if (terminal.json) terminal.document(text)
  else terminal.line(`${plural(operation.done, 'run')} ${verb.done}, ${countWords(operation.skipped)} skipped`)
  for (const { run_id, code, message } of terminal.json ? [] : operation.problems)
    terminal.say(`${oneLine(run_id)}: ${oneLine(message)} (${oneLine(code)})`)
  if (operation.status === 'completed') return
  cli.exit = EXIT.no
  terminal.warn(`The operation is ${operation.status}${operation.error ? `: ${oneLine(operation.error)}` : ''}.`)
}
