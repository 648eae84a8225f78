// What waits for people: the inbox, and answering.
import { answerInput, getInput, listInputs } from '#contract/inputs.ts'
import type { Input } from '#contract/route.ts'
import type { Cli } from '../cli.ts'
import { type Commands, declare, onlyArg, textOf, type Values } from '../command.ts'
import { usageError } from '../exit-codes.ts'
import { readJsonText } from '../input-text.ts'
import { agoWords } from '../moments.ts'
import { limitOf, limitOption, showList } from '../pages.ts'
import { oneLine } from '../safe-text.ts'
import { queryOptions } from '../schema-options.ts'

const filters = queryOptions(listInputs, {
  names: { agent_id: 'agent', run_id: 'run' },
  skip: ['cursor', 'limit'],
})

export const peopleCommands: Commands = (program, open) => {
  declare(program, open, 'inbox', {
    summary: 'List the questions that wait for a person',
    examples: ['inbox', 'inbox --kind approval --agent support', 'inbox --status answered --limit 10'],
    options: (command) => void limitOption(filters.addTo(command) && command),
    action: async (cli, given) =>
      showList(cli, listInputs, {
        input: { status: 'pending', ...(await filters.read(given)) },
        limit: limitOf(given),
        none: 'Nothing waits for an answer.',
        show: (rows) =>
          cli.terminal.table(rows, [
            { title: 'QUESTION', of: (row) => row.id, whole: true },
            { title: 'KIND', of: (row) => row.kind, whole: true },
            { title: 'AGE', of: (row) => agoWords(row.created_at).replace(' ago', ''), align: 'right', whole: true },
            { title: 'EXPIRES', of: (row) => row.expires_at && agoWords(row.expires_at), extra: 1 },
            { title: 'PROMPT', of: (row) => row.prompt },
          ]),
      }),
  })
  declare(program, open, 'question <id>', {
    summary: 'Show a question with its parameters',
    action: async (cli, _, args) => showQuestion(cli, onlyArg(args)),
  })
  declare(program, open, 'answer <id>', {
    summary: 'Answer a question: approve, refuse, or give JSON',
    examples: [
      'answer $ID --approve',
      'answer $ID --approve --param amount=50',
      `answer $ID --refuse --remark "too expensive"`,
      `answer $ID -d '{"category": "billing"}'`,
    ],
    options: (command) => {
      command.option('--approve', 'Yes')
      command.option('--refuse', 'No')
      command.option('-d, --data <json>', 'The answer to a question for feedback: JSON, @FILE, or - for stdin')
      command.option('--remark <text>', 'A remark on an approval or a refusal')
      command.option('--param <name=json>', 'Change a parameter that may be edited; repeat it for several', collect)
    },
    action: answer,
  })
}

const collect = (text: string, before: string[] | undefined): string[] => [...(before ?? []), text]

async function showQuestion(cli: Cli, input_request_id: string): Promise<void> {
  const { terminal } = cli
  const { value, text } = await cli.ask(getInput, { input_request_id })
  if (terminal.json) return terminal.document(text)
  const json = (given: unknown) => (given === null ? null : JSON.stringify(given, null, 2))
  terminal.facts([
    ['Question', value.id],
    ['Kind', value.kind],
    ['Status', value.status],
    ['Run', value.run_id],
    ['Agent', value.agent_id],
    ['Asked', agoWords(value.created_at)],
    ['Expires', value.expires_at && agoWords(value.expires_at)],
    ['Prompt', value.prompt],
    ['Parameters', json(value.params)],
    ['Editable', value.editable_params.join(', ')],
    ['Schema', json(value.schema)],
    ['Answer', json(value.answer)],
    ['Answered by', value.answered_by && (value.answered_by.name ?? value.answered_by.id)],
  ])
  if (value.status === 'pending') terminal.say(`Answer it with: runyard answer ${value.id}`)
}

async function answer(cli: Cli, given: Values, args: readonly string[]): Promise<void> {
  const { terminal } = cli
  const { approve, refuse } = given
  const data = textOf(given, 'data')
  const remark = textOf(given, 'remark')
  if ([approve, refuse, data].filter((one) => one !== undefined).length !== 1)
    throw usageError('Give one of --approve, --refuse and --data.')
  if (data !== undefined && remark !== undefined) throw usageError('--remark goes with --approve or --refuse.')
  const params = Object.fromEntries(((given.param as string[] | undefined) ?? []).map(paramOf))
  const body = {
    ...(data === undefined && { approved: approve === true }),
    ...(data !== undefined && { feedback: JSON.parse(await readJsonText(data, '--data')) as unknown }),
    ...(remark !== undefined && { feedback: remark }),
    ...(given.param !== undefined && { params }),
  }
  const asked = { input_request_id: onlyArg(args), ...body } as Input<typeof answerInput>
  const { text, value } = await cli.ask(answerInput, asked)
  if (terminal.json) return terminal.document(text)
  terminal.say(
    `Question ${value.id} was answered.${value.run_id ? ` Follow the run with: runyard logs ${oneLine(value.run_id)} -f` : ''}`,
  )
}

/** The value is JSON, or text where it is none. */
function paramOf(text: string): [string, unknown] {
  const at = text.indexOf('=')
  if (at < 1) throw usageError(`--param must be name=value, not "${text}".`)
  const value = text.slice(at + 1)
  try {
    return [text.slice(0, at), JSON.parse(value) as unknown]
  } catch {
    return [text.slice(0, at), value]
  }
}
