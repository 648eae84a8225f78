// The MCP server: tools by the scopes of the key, resources and prompts. Made anew for each request or connection.
import { ProtocolError, ProtocolErrorCode, Server } from '@modelcontextprotocol/server'
import { getMe } from '#contract/access.ts'
import { own } from '#core/own.ts'
import { holdsScope } from '#core/scopes.ts'
import { RunyardError } from '#sdk/error.ts'
import type { Ask, ReadPage } from './ask.ts'
import { docsContents, docsPath, listDocs } from './docs.ts'
import { findJobTool, jobTools } from './job-tools.ts'
import { PROMPTS } from './prompts.ts'
import { findTemplate, TEMPLATES } from './resources.ts'
import { type Args, BadArguments, type Context, type Me, type Tool } from './tool.ts'
import { ACT_TOOLS } from './tools/act-tools.ts'
import { FAILURE_TOOLS } from './tools/failure-tools.ts'
import { PROJECT_TOOLS, READ_TOOLS } from './tools/read-tools.ts'

const TOOLS: readonly Tool[] = [...READ_TOOLS, ...FAILURE_TOOLS, ...PROJECT_TOOLS, ...ACT_TOOLS]

const INSTRUCTIONS =
  'Runyard runs jobs and agents, and keeps one log of what happened. Begin with overview or find_runs; get_run and why_run ' +
  'explain one run. Tools that change something are recorded under this key. Ask a person before anything destructive.'

type Parts = { ask: Ask; readPage: ReadPage; version: string }

export function mcpServer({ ask, readPage, version }: Parts): Server {
  const server = new Server(
    { name: 'runyard', title: 'Runyard', version },
    { capabilities: { tools: {}, resources: {}, prompts: {} }, instructions: INSTRUCTIONS },
  )
  // Asked for once: a request uses it at most twice, and a connection keeps its key.
  let known: Promise<Me> | undefined
  const me = () =>
    (known ??= ask(getMe, {}).catch((error: unknown) => {
      known = undefined
      throw error
    }))
  serveTools(server, ask, me)
  serveResources(server, { ask, readPage }, me)
  servePrompts(server)
  return server
}

type WhoAmI = () => Promise<Me>

/** Whether the key may use a tool: one that is marked explicit must be named among its scopes. */
const mayUse = ({ scopes }: Me, { needs, explicit }: Pick<Tool, 'needs' | 'explicit'>): boolean =>
  explicit ? scopes.includes(needs) : holdsScope(new Set(scopes), needs)

const offersJobs = (me: Me): boolean => mayUse(me, { needs: 'runs:trigger' }) && mayUse(me, { needs: 'jobs:read' })

function serveTools(server: Server, ask: Ask, whoAmI: WhoAmI): void {
  server.setRequestHandler('tools/list', async () => {
    const me = await whoAmI()
    const tools = TOOLS.filter((tool) => mayUse(me, tool))
    const jobs = offersJobs(me) ? await jobTools({ ask }) : []
    return { tools: [...tools, ...jobs].map(described) }
  })
  server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
    const { name, arguments: args = {} } = params
    try {
      const me = await whoAmI()
      const tool =
        TOOLS.find((one) => one.name === name) ?? (offersJobs(me) ? await findJobTool({ ask }, name) : undefined)
      if (!tool || !mayUse(me, tool))
        throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Tool ${name} not found.`)
      return await callTool(tool, { ask, me, signal: mcpReq.signal }, args)
    } catch (error) {
      if (error instanceof ProtocolError) throw error
      return { content: [text(refusalWords(error))], isError: true }
    }
  })
}

/** JSON Schemas of the contract and of jobs, which the protocol's own type describes down to the last bracket. */
type InputSchema = { type: 'object' }

function described({ name, title, description, kind, input, definitions, required }: Tool) {
  return {
    name,
    title,
    description,
    inputSchema: {
      type: 'object',
      properties: input,
      ...definitions,
      ...(required?.length && { required: [...required] }),
    } as InputSchema,
    annotations: {
      readOnlyHint: kind === 'reads',
      destructiveHint: kind === 'destroys',
      idempotentHint: kind === 'reads',
      openWorldHint: false,
    },
  }
}

async function callTool(tool: Tool, context: Context, args: Args) {
  const missing = (tool.required ?? []).filter((name) => own(args, name) === undefined)
  const unknown = Object.keys(args).filter((name) => !Object.hasOwn(tool.input, name))
  if (missing.length > 0) throw new BadArguments(`Missing: ${missing.join(', ')}.`)
  if (unknown.length > 0)
    throw new BadArguments(`Unknown: ${unknown.join(', ')}. Known: ${Object.keys(tool.input).join(', ')}.`)
  return { content: [text(JSON.stringify(await tool.run(context, args)))] }
}

const text = (words: string) => ({ type: 'text' as const, text: words })

/** What the model can act on; anything else is our bug and passes on. */
function refusalWords(error: unknown): string {
  if (error instanceof BadArguments) return `invalid: ${error.message}`
  if (!(error instanceof RunyardError)) throw error
  const { code, message, requestId } = error
  return `${code}: ${message}${requestId === undefined ? '' : ` (request ${requestId})`}`
}

type Reading = Pick<Parts, 'ask' | 'readPage'>

function serveResources(server: Server, { ask, readPage }: Reading, whoAmI: WhoAmI): void {
  // Things are found by tools; a list of every run would help nobody.
  server.setRequestHandler('resources/list', async () => ({ resources: await listDocs(readPage) }))
  server.setRequestHandler('resources/templates/list', async () => {
    const me = await whoAmI()
    const shown = TEMPLATES.filter((template) => mayUse(me, template))
    return {
      resourceTemplates: shown.map(({ uriTemplate, name, description }) => ({
        uriTemplate,
        name,
        description,
        mimeType: 'application/json',
      })),
    }
  })
  server.setRequestHandler('resources/read', async ({ params: { uri } }) => {
    const page = docsPath(uri)
    const found = findTemplate(uri)
    if (!found && !page) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Resource ${uri} not found.`)
    try {
      if (!found) return { contents: await docsContents(readPage, uri, page!) }
      const value = await found.template.read(ask, found.id)
      return { contents: [{ uri, mimeType: 'application/json', text: JSON.stringify(value) }] }
    } catch (error) {
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, refusalWords(error))
    }
  })
}

function servePrompts(server: Server): void {
  server.setRequestHandler('prompts/list', () => ({
    prompts: PROMPTS.map(({ write: _, arguments: takes, ...prompt }) => ({ ...prompt, arguments: [...takes] })),
  }))
  server.setRequestHandler('prompts/get', ({ params }) => {
    const prompt = PROMPTS.find(({ name }) => name === params.name)
    if (!prompt) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Prompt ${params.name} not found.`)
    const missing = prompt.arguments.find(({ name, required }) => required && !own(params.arguments ?? {}, name))
    if (missing) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `${missing.name} is missing.`)
    const words = prompt.write(params.arguments ?? {})
    return { description: prompt.description, messages: [{ role: 'user' as const, content: text(words) }] }
  })
}
