// Resources: what a person attaches to a conversation, by address.
import { getAgent } from '#contract/agents.ts'
import { listRunEvents } from '#contract/events.ts'
import { getJob } from '#contract/jobs.ts'
import { getRun } from '#contract/runs/runs.ts'
import type { Scope } from '#core/scopes.ts'
import type { Ask } from './ask.ts'
import { capped, compact } from './tool.ts'

type Template = {
  pattern: RegExp
  needs: Scope
  uriTemplate: string
  name: string
  description: string
  read: (ask: Ask, id: string) => Promise<unknown>
}

const SEGMENT = '([^/?#]+)'
const EVENTS = 200

export const TEMPLATES: readonly Template[] = [
  {
    pattern: new RegExp(`^runyard://run/${SEGMENT}$`),
    needs: 'runs:read',
    uriTemplate: 'runyard://run/{id}',
    name: 'Run',
    description: 'A run with the beginning of its payload and result.',
    read: async (ask, run_id) => {
      const run = await ask(getRun, { run_id })
      return { ...compact(run), payload: capped(run.payload), result: capped(run.result) }
    },
  },
  {
    pattern: new RegExp(`^runyard://run/${SEGMENT}/timeline$`),
    needs: 'runs:read',
    uriTemplate: 'runyard://run/{id}/timeline',
    name: 'Timeline of a run',
    description: `The first ${EVENTS} events of a run.`,
    read: async (ask, run_id) => {
      const { data, has_more } = await ask(listRunEvents, { run_id, limit: EVENTS })
      return { events: data.map((event) => ({ ...compact(event), data: capped(event.data) })), has_more }
    },
  },
  {
    pattern: new RegExp(`^runyard://job/${SEGMENT}$`),
    needs: 'jobs:read',
    uriTemplate: 'runyard://job/{slug}',
    name: 'Job',
    description: 'A job with its settings and schemas.',
    read: async (ask, job) => compact(await ask(getJob, { job })),
  },
  {
    pattern: new RegExp(`^runyard://agent/${SEGMENT}/policy$`),
    needs: 'agents:read',
    uriTemplate: 'runyard://agent/{id}/policy',
    name: 'Policy of an agent',
    description: 'What the agent may do, and whether it is on.',
    read: async (ask, agent_id) => {
      const { enabled, policy, policy_version, policy_mode } = await ask(getAgent, { agent_id })
      return { agent_id, enabled, policy_version, policy_mode, policy }
    },
  },
]

/** The template that an address fits, and the id in it. */
export function findTemplate(uri: string): { template: Template; id: string } | undefined {
  for (const template of TEMPLATES) {
    const id = template.pattern.exec(uri)?.[1]
    if (id !== undefined) return { template, id: decoded(id) }
  }
  return undefined
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
