// Tools: what agents called, how often, and what it cost.
import { Type } from 'typebox'
import { AGENT, TOOL } from './agents.ts'
import { flag, optional, query, time, timeOrNull, whole } from './common.ts'
import { route } from './route.ts'

const COUNT_MAX = Number.MAX_SAFE_INTEGER

/** More tools than this are cut off, the least used first. */
export const TOOLS_MAX = 1_000
export const AGENTS_OF_TOOL_MAX = 10

const sums = {
  allowed: whole(0, COUNT_MAX, 'Calls that were allowed.'),
  blocked: whole(0, COUNT_MAX, 'Calls that were blocked.'),
  cost_microusd: whole(0, COUNT_MAX, 'Amount reserved or charged, in millionths of a US dollar.'),
  last_called_at: timeOrNull('Start of the hour (UTC) of the latest call within the period; null: none.'),
}

const Tool = Type.Object(
  {
    tool: TOOL,
    registered: flag('Whether its endpoint is registered, so that agents can call it through Runyard.'),
    ...sums,
    agent_count: whole(0, COUNT_MAX, 'Number of agents that called it.'),
    agents: Type.Array(Type.Object({ agent_id: AGENT, ...sums }), {
      description: `The agents that called it most often, at most ${AGENTS_OF_TOOL_MAX}.`,
    }),
  },
  { title: 'Tool' },
)

export const listTools = route({
  method: 'GET',
  path: '/v1/tools',
  needs: 'agents:read',
  tag: 'Agents',
  name: 'listTools',
  summary: 'List the tools that agents called, with the agents, the calls and the cost; the busiest first.',
  description:
    'Sums are kept per hour (UTC) as calls are authorized; every hour that the period touches counts in full. Calls that ' +
    'a run only recorded, without asking, are not among them. Registered tools that nobody called follow at the end. A ' +
    `reply has at most ${TOOLS_MAX.toLocaleString('en')} tools; with has_more, ask for a shorter period or one agent.`,
  query: query({
    agent_id: optional(AGENT),
    from: optional(time('Start of the period; defaults to 30 days before `to`. At most 366 days before `to`.')),
    to: optional(time('End of the period; defaults to now.')),
  }),
  replies: {
    200: Type.Object(
      {
        from: time('Start of the first hour.'),
        to: time('End of the last hour.'),
        data: Type.Array(Tool, { description: 'The tools, at most 1,000.' }),
        has_more: flag(`Whether there are more than ${TOOLS_MAX.toLocaleString('en')} tools.`),
      },
      { title: 'ToolList' },
    ),
  },
})
