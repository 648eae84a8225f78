// What is asked of the past: each question a path, made anew each time, so that no answer is a repeated one.
import {
  AGENTS,
  BATCH,
  batchIdOf,
  CHAINS,
  CUSTOMERS,
  DOCUMENTS,
  FAMILY,
  JOBS,
  parentOf,
  RUNS,
  runIdOf,
  SPAN_MS,
  TEAMS,
  USERS,
} from './past.ts'

const any = (below: number): number => Math.floor(Math.random() * below)

export function questions(beginMs: number): Record<'runs' | 'events' | 'sums', Record<string, () => string>> {
  const run = () => runIdOf(any(RUNS), beginMs)
  const runs = (filter: string) => `/v1/runs?${filter}`
  const events = (filter: string) => `/v1/events?${filter}`
  const parent = () => runIdOf(parentOf(any(RUNS)), beginMs)
  const agent = (what: string) => `/v1/agents/agent-${any(AGENTS)}/${what}`
  const sums = (what: string) => `/vai/api/v1/events${what}`
  /** Some days, which begin and end in the middle of an hour. */
  const days = () => {
    const from = any(SPAN_MS / 2)
    const to = from + any(SPAN_MS - from)
    return `from=${new Date(beginMs + from).toISOString()}&to=${new Date(beginMs + to).toISOString()}`
  }
  const during = () => {
    const from = beginMs + any(SPAN_MS)
    const iso = (ms: number) => new Date(ms).toISOString()
    return `occurred_from=${iso(from)}&occurred_to=${iso(from + 3_600_000)}`
  }
  return {
    runs: {
      all: () => runs(''),
      status: () => runs(`status=${['failed', 'canceled', 'dead_letter', 'completed'][any(4)]}`),
      job: () => runs(`job=bench-${any(JOBS)}`),
      'job and status': () => runs(`job=bench-${any(JOBS)}&status=failed`),
      tag: () => runs(`tag=team:t${any(TEAMS)}`),
      metadata: () => runs(`metadata=customer:c${any(CUSTOMERS)}`),
      'tag and status': () => runs(`tag=team:t${any(TEAMS)}&status=failed`),
      batch: () => runs(`batch_id=${batchIdOf(any(RUNS / BATCH / 2) * 2 * BATCH)}`),
      parent: () => runs(`parent_run_id=${parent()}`),
      correlation: () => runs(`correlation_id=${parent()}`),
      'open one': () => `/v1/runs/${run()}`,
      'events of one': () => `/v1/runs/${run()}/events`,
    },
    events: {
      all: () => events(''),
      type: () => events(`type=${['run.created', 'document.read', 'document.changed'][any(3)]}`),
      'two types': () => events('type=document.read,run.completed'),
      resource: () => events(`resource_type=document&resource_id=d${any(DOCUMENTS)}`),
      actor: () => events(`actor_type=user&actor_id=u${any(USERS)}`),
      correlation: () => events(`correlation_id=chain-${any(CHAINS)}`),
      'correlation of runs': () => events(`correlation_id=${parent()}`),
      time: () => events(during()),
      'type and time': () => events(`type=document.changed&${during()}`),
      run: () => events(`run_id=${run()}`),
    },
    sums: {
      'a page with its total': () => sums(''),
      'a page of a type with its total': () => sums('?event_type=document.read'),
      aggregate: () => sums('/aggregate'),
      'aggregate of some days': () => sums(`/aggregate?${days()}`),
      'by actor': () => sums('/stats/by-actor'),
      'by actor, of some days': () => sums(`/stats/by-actor?${days()}`),
      'logs of an agent': () => agent('logs'),
      'metrics of an agent': () => agent(`metrics?period=${['hour', 'day', 'week'][any(3)]}`),
      spend: () => `/v1/spend?agent_id=agent-${any(AGENTS)}`,
    },
  }
}

/** So many rows every answer has at least; an empty page is quick and tells nothing. */
export const rowsMin: Record<string, number> = { parent: FAMILY - 1, metadata: 10, batch: 10, resource: 10, actor: 10 }
