// Tool servers: servers of the Model Context Protocol, whose tools agents call through Runyard.
import { Type } from 'typebox'
import { DAY_SECS } from '#core/durations.ts'
import {
  body,
  flag,
  headerMap,
  jsonObject,
  listOf,
  nullable,
  optional,
  paging,
  query,
  text,
  time,
  timeOrNull,
  whole,
  withDefault,
} from '../common.ts'
import { route } from '../route.ts'

const tag = 'Tool servers'

const TOOL_SERVER_NAME = Type.String({
  pattern: '^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$',
  description:
    'Name of the tool server: up to 32 lowercase letters, digits and hyphens. Agents see its tools as `name__tool`.',
})
const ToolServerPath = Type.Object({ tool_server: TOOL_SERVER_NAME })

const settings = {
  description: withDefault(nullable(text(500, 'What the server is for.')), null),
  url: text(2_048, 'Where it speaks Streamable HTTP. Only public addresses, unless the operator allows more.', {
    minLength: 1,
  }),
  headers: withDefault(
    headerMap('Headers to send with every request, such as its credentials. In responses, secrets are masked.'),
    {},
  ),
  timeout_secs: withDefault(whole(1, 600, 'Timeout of a call of one of its tools, in seconds.'), 30),
  refresh_secs: withDefault(whole(30, DAY_SECS, 'How often its list of tools is read, in seconds.'), 300),
  dedup_windows_secs: withDefault(
    Type.Unsafe<Record<string, number>>({
      type: 'object',
      additionalProperties: { type: 'integer', minimum: 0, maximum: DAY_SECS },
      propertyNames: { type: 'string', minLength: 1, maxLength: 128 },
      maxProperties: 100,
      description:
        "By the server's own name of a tool: for how many seconds the same call of an agent is answered with the result " +
        'of the first, instead of being made again.',
    }),
    {},
  ),
  enabled: withDefault(flag('Whether agents see its tools.'), true),
}

export const ToolServer = Type.Object(
  {
    name: TOOL_SERVER_NAME,
    ...settings,
    tool_count: whole(0, 500, 'Number of tools that were read last.'),
    refreshed_at: timeOrNull('When its tools were last read; null: not yet.'),
    failing_since: timeOrNull('Since when its tools could not be read; null while they can.'),
    last_error: nullable(Type.String(), 'Why they could not be read.'),
    created_at: time('When it was registered.'),
    updated_at: time('When its settings were last changed.'),
  },
  { title: 'ToolServer' },
)

export const listToolServers = route({
  method: 'GET',
  path: '/v1/tool-servers',
  needs: 'agents:read',
  tag,
  name: 'listToolServers',
  summary: 'List the tool servers of the project, by name.',
  query: query(paging),
  replies: { 200: listOf(ToolServer, 'ToolServerList') },
  refusals: ['invalid_cursor'],
})

export const getToolServer = route({
  method: 'GET',
  path: '/v1/tool-servers/:tool_server',
  needs: 'agents:read',
  tag,
  name: 'getToolServer',
  summary: 'Get a tool server.',
  params: ToolServerPath,
  replies: { 200: ToolServer },
  refusals: ['tool_server_not_found'],
})

export const setToolServer = route({
  method: 'PUT',
  path: '/v1/tool-servers/:tool_server',
  needs: 'agents:write',
  tag,
  name: 'setToolServer',
  summary: 'Register a tool server, or replace its settings (at most 50 per project).',
  description:
    'Its tools are read at once, and regularly from then on; refreshToolServer reads them while you wait. Masked values ' +
    'that are sent back unchanged keep the values behind them.',
  params: ToolServerPath,
  body: body(settings, { examples: [{ url: 'https://mcp.example.com/mcp', headers: { authorization: 'Bearer …' } }] }),
  replies: { 200: ToolServer },
})

export const deleteToolServer = route({
  method: 'DELETE',
  path: '/v1/tool-servers/:tool_server',
  needs: 'agents:write',
  tag,
  name: 'deleteToolServer',
  summary: 'Delete a tool server; agents no longer see its tools.',
  params: ToolServerPath,
  replies: { 204: null },
  refusals: ['tool_server_not_found'],
})

const NAMES = (description: string) => Type.Array(Type.String(), { description })

export const refreshToolServer = route({
  method: 'POST',
  path: '/v1/tool-servers/:tool_server/refresh',
  needs: 'agents:write',
  tag,
  name: 'refreshToolServer',
  summary: 'Read the tools of a server now, which also tests whether it can be reached.',
  description:
    'It waits for the server for at most 45 seconds. When the tools cannot be read, `last_error` says why, and those that ' +
    'were read before stay. The server may be disabled.',
  params: ToolServerPath,
  body: body({}),
  bodyOptional: true,
  keepsReply: false,
  mayWait: true,
  replies: {
    200: Type.Object(
      {
        ...ToolServer.properties,
        added: NAMES('Names of tools that are new.'),
        removed: NAMES('Names of tools that are gone.'),
        changed: NAMES('Names of tools whose description, schemas or hints are different now.'),
      },
      { title: 'RefreshedToolServer' },
    ),
  },
  refusals: ['tool_server_not_found'],
})

const ServerTool = Type.Object(
  {
    name: Type.String({ description: 'What agents, policies and prices call it.' }),
    server_name: Type.String({ description: 'What its server calls it.' }),
    title: nullable(Type.String(), 'Title for people.'),
    description: nullable(Type.String(), 'What models are told about it.'),
    input_schema: jsonObject('JSON Schema of its arguments.'),
    output_schema: nullable(jsonObject('JSON Schema of its structured result.')),
    annotations: nullable(jsonObject('Hints of the server, such as readOnlyHint; not to be relied on.')),
  },
  { title: 'ServerTool' },
)

export const listServerTools = route({
  method: 'GET',
  path: '/v1/tool-servers/:tool_server/tools',
  needs: 'agents:read',
  tag,
  name: 'listServerTools',
  summary: 'List the tools of a server as they were read last, by name.',
  params: ToolServerPath,
  query: query({
    ...paging,
    agent_id: optional(text(128, 'Only tools that the policy of this agent allows.', { minLength: 1 })),
  }),
  replies: { 200: listOf(ServerTool, 'ServerToolList') },
  refusals: ['tool_server_not_found', 'invalid_cursor'],
})
