// Reads the tools of a server again, and says what has changed: a description that was changed behind one's back may
// be an attempt to lead the model.
import { secretsOf, withoutSecrets } from '#access/mask.ts'
import type { Ctx } from '#bell/ctx.ts'
import type { Cause } from '#core/event.ts'
import { cutText } from '#core/storable.ts'
import { record } from '#log/record.ts'
import { connectionsOf } from './connections.ts'
import { changesBetween, hashOfTools, readServerTools, type ToolChanges, toolsJson, toolsOf } from './server-tools.ts'
import { lockToolServer, readTools, saveFailure, saveTools, type ToolServerRow } from './tool-servers.sql.ts'
import { eventOf } from './tool-servers.ts'

const ERROR_LENGTH_MAX = 500
/** A list of tools is no work: a server that needs longer for it is taken to hang. */
const READ_MS_MAX = 30_000
/** Names in an event. */
const NAMES_MAX = 100

type Refreshed = { row: ToolServerRow; changes: ToolChanges }
const NOTHING: ToolChanges = { added: [], removed: [], changed: [] }

/** The row says how it went. A server that was changed or removed meanwhile keeps what it has. */
export async function refreshTools(ctx: Ctx, server: ToolServerRow, cause: Cause): Promise<Refreshed> {
  const read = await connectionsOf(ctx)
    .use(server, 'runyard', async ({ client }) => ({
      result: await readServerTools(client, Math.min(READ_MS_MAX, server.timeoutSecs * 1_000)),
      isBroken: false,
    }))
    .catch((error: unknown) => sentenceOf(server, error))
  const asked = { ...cause, projectId: server.projectId }
  return record<Refreshed>(ctx, async (tx) => {
    const now = await lockToolServer(tx, server.projectId, server.name)
    if (now?.id !== server.id || now.updatedAt.getTime() !== server.updatedAt.getTime())
      return { result: { row: now ?? server, changes: NOTHING }, events: [] }
    if (typeof read === 'string') {
      const row = await saveFailure(tx, { id: server.id, error: read })
      const told = { type: 'tool_server.refresh_failed', level: 'warn', message: read } as const
      return { result: { row, changes: NOTHING }, events: now.failingSince ? [] : [eventOf(asked, row, told)] }
    }
    const [kept] = await readTools(tx, [server.id])
    const toolsHash = hashOfTools(read)
    const changes = toolsHash === now.toolsHash ? NOTHING : changesBetween(kept ? toolsOf(kept.tools) : [], read)
    const saved = { id: server.id, tools: toolsJson(read), toolsHash, toolCount: read.length }
    const row = await saveTools(tx, saved)
    const events = toolsHash === now.toolsHash ? [] : [changeEvent(asked, row, { changes, before: now })]
    return { result: { row, changes }, events, rings: events.length > 0 ? ['tool-servers'] : [] }
  })
}

function sentenceOf(server: ToolServerRow, error: unknown): string {
  const words = withoutSecrets(error instanceof Error ? error.message : String(error), secretsOf(server.headers))
  return cutText(words === '' ? 'the tools could not be read' : words, ERROR_LENGTH_MAX)
}

type Changed = { changes: ToolChanges; before: ToolServerRow }

/** A tool that was there, and is another one now, deserves a look. */
function changeEvent(asked: Cause & { projectId: string }, row: ToolServerRow, { changes, before }: Changed) {
  const { added, removed, changed } = changes
  const isNew = before.refreshedAt === null
  return eventOf(asked, row, {
    type: 'tool_server.tools_changed',
    level: !isNew && changed.length > 0 ? 'warn' : 'info',
    data: {
      tool_count: row.toolCount,
      added: added.slice(0, NAMES_MAX),
      removed: removed.slice(0, NAMES_MAX),
      changed: changed.slice(0, NAMES_MAX),
    },
  })
}
