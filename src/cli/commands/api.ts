// Any route by its name in the contract: its options and help are made from the route.
import type { Command } from 'commander'
import type { Route } from '#contract/route.ts'
import { ROUTES } from '#contract/routes.ts'
import { send, unanswered } from '#sdk/call.ts'
import { answeredError, RunyardError } from '#sdk/error.ts'
import { requestOf } from '#sdk/request.ts'
import { readSse } from '#sdk/sse.ts'
import type { Cli } from '../cli.ts'
import { type Commands, declare, type OpenCli, textOf, type Values } from '../command.ts'
import { usageError } from '../exit-codes.ts'
import { readJsonText } from '../input-text.ts'
import { GLOBAL_OPTIONS, type Names, SchemaOptions, schemaFields } from '../schema-options.ts'

export const apiCommands: Commands = (program, open) => {
  const api = declare(program, open, 'api', {
    summary: 'Call any route of the API by its name',
    description: 'Call any route of the API by its name; the reply is printed as JSON.',
    examples: [
      'api --list',
      'api getRun --help',
      'api listRuns --status failed',
      `api createJob --body '{"slug": "x", "execution": "worker"}'`,
    ],
    options: (command) => void command.option('--list', 'List the routes'),
    action: async (cli, given) => {
      if (given.list !== true) throw usageError('Which route?', 'List them with: runyard api --list')
      listRoutes(cli)
    },
  })
  api.configureHelp({ visibleCommands: () => [] })
  for (const route of ROUTES) addRoute(api, open, route)
}

function listRoutes({ terminal }: Cli): void {
  if (terminal.json)
    for (const { name, method, path, needs, summary } of ROUTES)
      terminal.record(JSON.stringify({ name, method, path, needs, summary }))
  else
    terminal.table(ROUTES, [
      { title: 'ROUTE', of: (route) => route.name, whole: true },
      { title: 'METHOD', of: (route) => route.method, whole: true, extra: 1 },
      { title: 'PATH', of: (route) => route.path, extra: 2 },
      { title: 'SUMMARY', of: (route) => route.summary },
    ])
}

const BODY_OPTION = 'body'
/** Names that the program itself takes. */
const TAKEN: ReadonlySet<string> = new Set([...GLOBAL_OPTIONS, 'output', BODY_OPTION])
const namesFor = (schema: unknown): Names =>
  Object.fromEntries(
    Object.keys(schemaFields(schema))
      .filter((name) => TAKEN.has(name))
      .map((name) => [name, `field-${name}`]),
  )

function addRoute(api: Command, open: OpenCli, route: Route): void {
  const inPath = Object.keys(schemaFields(route.params))
  const query = new SchemaOptions(route.query, { names: namesFor(route.query) })
  const body = new SchemaOptions(route.body, { names: namesFor(route.body) })
  declare(api, open, [route.name, ...inPath.map((name) => `<${name}>`)].join(' '), {
    summary: route.summary,
    description: `${route.summary}\n\n${route.method} ${route.path}, needs ${route.needs}`,
    options: (command) => {
      query.addTo(command)
      if (!route.body) return
      body.addTo(command)
      command.option(`--${BODY_OPTION} <json>`, 'the whole body: JSON, @FILE, or - for stdin')
    },
    action: async (cli, given, args) => {
      const params = Object.fromEntries(inPath.map((name, at) => [name, args[at]]))
      const input = { ...params, ...(await query.read(given)) }
      await callAnyRoute(cli, route, { input, fields: await body.read(given), whole: textOf(given, BODY_OPTION) })
    },
  })
}

type Calling = { input: Values; fields: Values; whole: string | undefined }

async function callAnyRoute(cli: Cli, route: Route, { input, fields, whole }: Calling): Promise<void> {
  if (whole !== undefined && Object.keys(fields).length > 0) throw usageError('Give either --body or single fields.')
  if (route.bodyAs && whole === undefined) throw usageError('This route takes its body as a whole: give --body.')
  const bodyText = whole === undefined ? undefined : await readJsonText(whole, '--body')
  if (route.stream) return printStream(cli, route, input)
  const { text, bytes } = await cli.reply(route, { ...input, ...fields }, { bodyText })
  if (bytes) return cli.terminal.bytes(bytes)
  if (text === undefined || text === '') return
  if (route.produces) cli.terminal.text(text.trimEnd())
  else cli.terminal.document(text)
}

async function printStream(cli: Cli, route: Route, input: Values): Promise<void> {
  const request = requestOf(route, input)
  try {
    const response = await send(cli.connection, {
      request,
      signal: cli.signal,
      headers: { accept: 'text/event-stream' },
    })
    if (!response.ok || !response.body) throw await answeredError(response)
    for await (const { data } of readSse(response.body)) cli.terminal.record(data)
  } catch (error) {
    cli.signal.throwIfAborted()
    throw error instanceof RunyardError ? error : unanswered(error, false, `${request.method} ${request.target}`)
  }
}
