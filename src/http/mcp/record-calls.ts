// Whoever reads the log sees which changes a model asked for: each is followed by an event that says so.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import type { Route } from '#contract/route.ts'
import { own } from '#core/own.ts'
import { record } from '#log/record.ts'
import { VIA_HEADER, VIA_MCP } from '#mcp/ask.ts'

/** Routes that only calculate, although they take a body. */
const CHANGES_NOTHING: ReadonlySet<string> = new Set(['tryPolicy'])

const SUBJECTS: readonly (readonly [string, string])[] = [
  ['run_id', 'run'],
  ['job', 'job'],
  ['agent_id', 'agent'],
  ['input_request_id', 'input_request'],
  ['operation_id', 'operation'],
]

export function recordMcpCalls(app: FastifyInstance, ctx: Pick<Ctx, 'sql' | 'ring'>): void {
  app.addHook('onSend', async (request, reply, payload) => {
    const { route } = request.routeOptions.config
    if (route && request.headers[VIA_HEADER] === VIA_MCP && hasChanged(route, reply.statusCode))
      await write(ctx, request, route)
    return payload
  })
}

const hasChanged = ({ method, name }: Route, status: number): boolean =>
  method !== 'GET' && status < 300 && !CHANGES_NOTHING.has(name) && !(name === 'startOperation' && status === 200)

async function write(ctx: Pick<Ctx, 'sql' | 'ring'>, request: FastifyRequest, route: Route): Promise<void> {
  const { caller } = request
  if (!caller || caller.kind === 'run') return
  const { projectId, actor } = caller
  const params = request.params as Record<string, string>
  const subject = SUBJECTS.map(([param, type]) => ({ param, type, id: own(params, param) })).find(
    ({ id }) => id !== undefined,
  )
  const event = {
    projectId,
    type: 'mcp.called',
    actor,
    ...(subject && { resourceType: subject.type, resourceId: subject.id }),
    data: { via: VIA_MCP, route: route.name, ...(subject && { [subject.param]: subject.id }) },
  }
  // The change is committed: a log that cannot be written now must not turn the answer into a failure.
  await record(ctx, async () => ({ result: undefined, events: [event] })).catch((error: unknown) =>
    request.log.error({ err: error }, 'could not record a call by MCP'),
  )
}
