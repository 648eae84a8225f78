// The load: clients that trigger runs, workers that end them, readers that follow, agents that spend.
import { setTimeout as sleep } from 'node:timers/promises'
import { watch } from '../../support/sse-client.ts'
import type { Random } from '../random.ts'
import { KEY } from '../stage/nodes.ts'
import { type Client, clientOf } from './client.ts'
import type { Oracle, Plan } from './oracle.ts'

export const JOB = 'work'
export const BUDGET_MICROUSD = 100_000
const TRIGGERING = 6
const WORKING = 4
const SPENDING = 3
const AT_ONCE = 20
/** Follows each of the first runs of a trigger loop; all others are seen in the feeds of the project. */
const FOLLOWED_MAX = 50
const FEEDS = 3
/** Another attempt has the run, or it has ended: by this worker's own first try, or without it. */
const ENDED = new Set(['stale_lease', 'run_over'])

export type LoadOptions = { address: string; random: Random; oracle: Oracle }
export type Load = {
  /** No more runs and decisions; workers and readers go on. */
  endTriggers(): Promise<void>
  end(): Promise<void>
  /** When calls that change something were answered. */
  answered(): readonly number[]
}

export async function startLoad({ address, random, oracle }: LoadOptions): Promise<Load> {
  const triggering = new AbortController()
  const working = new AbortController()
  const feeding = clientOf(address, triggering.signal)
  const worker = clientOf(address, working.signal)
  await feeding.insist('POST', '/v1/jobs', {
    slug: JOB,
    execution: 'worker',
    max_attempts: 50,
    retry_strategy: 'fixed',
    retry_initial_delay_secs: 0,
  })
  const streams: Promise<void>[] = []
  const follow = (name: string, path: string) =>
    void streams.push(followStream(name, { url: address + path, oracle, stopping: working.signal }))
  for (let feed = 1; feed <= FEEDS; feed++) follow(`feed ${feed}`, '/v1/events/stream?type=run.completed')
  const triggers = [
    ...repeat(TRIGGERING, (n) => trigger(feeding, { n, random, oracle, stopping: triggering.signal, follow })),
    ...repeat(SPENDING, (n) => spend(feeding, { n, random, oracle, stopping: triggering.signal })),
  ]
  const workers = repeat(WORKING, (n) => work(worker, { n, random, oracle, stopping: working.signal }))
  return {
    async endTriggers() {
      triggering.abort()
      await Promise.all(triggers)
    },
    async end() {
      working.abort()
      await Promise.all([...workers, ...streams])
    },
    answered: feeding.answered,
  }
}

const repeat = <T>(times: number, make: (n: number) => T): T[] => Array.from({ length: times }, (_, n) => make(n))

type Loop = { n: number; random: Random; oracle: Oracle; stopping: AbortSignal }

async function trigger(
  client: Client,
  { n, random, oracle, stopping, follow }: Loop & { follow: (name: string, path: string) => void },
): Promise<void> {
  for (let count = 0; !stopping.aborted; count++) {
    const plan: Plan = random.chance(0.1) ? 'fails' : random.chance(0.1) ? 'fails-once' : 'completes'
    const key = `${n}-${count}`
    const answer = await client.insist('POST', `/v1/jobs/${JOB}/runs`, {
      payload: { plan, key },
      idempotency_key: key,
    })
    if (!answer) return
    if (answer.status > 201) oracle.odd.push(`trigger: ${answer.status} ${JSON.stringify(answer.body)}`)
    else {
      oracle.accepted.set(answer.body.id, { plan, key })
      if (count < FOLLOWED_MAX / TRIGGERING) follow(answer.body.id, `/v1/runs/${answer.body.id}/stream`)
    }
    await sleep(random.between(5, 100))
  }
}

type Claimed = {
  run: { id: string; attempt: number }
  lease_token: string
  payload: { plan: Plan }
}

async function work(client: Client, { n, random, oracle, stopping }: Loop): Promise<void> {
  const worker_id = `worker-${n}`
  while (!stopping.aborted) {
    const claimed = await client.ask('POST', '/v1/workers/claim', {
      worker_id,
      limit: AT_ONCE,
      wait_secs: 2,
      lease_secs: 5,
    })
    if (!claimed) await sleep(random.between(50, 200))
    const runs: Claimed[] = claimed?.body.runs ?? []
    if (runs.length === 0) continue
    // Now and then a worker is gone: its leases run out.
    if (random.chance(0.02) && !stopping.aborted) continue
    await sleep(random.between(0, 200))
    await settle(client, { runs, oracle, stopping })
  }
}

/** Items that could not be written are asked again, as whole calls are. */
async function settle(
  client: Client,
  { runs, oracle, stopping }: { runs: readonly Claimed[]; oracle: Oracle; stopping: AbortSignal },
): Promise<void> {
  for (let left = runs; left.length > 0 && !stopping.aborted; ) {
    const asked = left
    const answer = await client.insist('POST', '/v1/workers/settle', { settlements: asked.map(settlementOf) })
    if (!answer) return
    if (answer.status !== 200) return void oracle.odd.push(`settle: ${answer.status} ${JSON.stringify(answer.body)}`)
    left = []
    for (const [at, { status, error }] of answer.body.results.entries()) {
      const { run, lease_token } = asked[at]!
      // A repeated item is told the state that the first one led to.
      if (status !== null)
        oracle.ended.set(run.id, [...(oracle.ended.get(run.id) ?? []), { token: lease_token, status }])
      else if (error.code === 'unavailable' || error.code === 'overloaded') left = [...left, asked[at]!]
      else if (!ENDED.has(error.code)) oracle.odd.push(`settle ${run.id}: ${JSON.stringify(error)}`)
    }
  }
}

function settlementOf({ run, lease_token, payload }: Claimed) {
  const lease = { run_id: run.id, lease_token }
  if (payload.plan === 'fails') return { ...lease, outcome: 'failed', error: 'as planned', retryable: false }
  if (payload.plan === 'fails-once' && run.attempt === 1)
    return { ...lease, outcome: 'failed', error: 'as planned', retryable: true }
  return { ...lease, outcome: 'completed', result: { attempt: run.attempt } }
}

/** All agents spend from small budgets at once; when one is used up the next one begins. */
async function spend(client: Client, { random, oracle, stopping }: Loop): Promise<void> {
  for (let number = 0; !stopping.aborted; number++) {
    const agent = `agent-${number}`
    const policy = { policy: { max_spend_microusd_per_day: BUDGET_MICROUSD } }
    if (!(await client.insist('PUT', `/v1/agents/${agent}/policy`, policy))) return
    for (let blocked = false; !blocked && !stopping.aborted; ) {
      const cost = Math.round(random.between(100, 2_000))
      const answer = await client.insist('POST', `/v1/agents/${agent}/authorize`, { tool: 'mail', cost_microusd: cost })
      if (!answer) return
      if (answer.body.decision === 'allowed') oracle.allowed.set(answer.body.authorization_id, { agent, cost })
      else if (answer.body.decision === 'blocked') {
        blocked = true
        oracle.blocked++
      } else oracle.odd.push(`authorize: ${answer.status} ${JSON.stringify(answer.body)}`)
      if (answer.body.decision === 'allowed' && random.chance(0.5))
        await client.insist('POST', `/v1/agents/${agent}/settle`, { authorization_id: answer.body.authorization_id })
      await sleep(random.between(20, 150))
    }
  }
}

type Following = { url: string; oracle: Oracle; stopping: AbortSignal }

/** Resumes after the last event that came, wherever the balancer leads, until it is told to stop or the run is over. */
async function followStream(name: string, { url, oracle, stopping }: Following): Promise<void> {
  const seen: string[] = []
  oracle.streamed.set(name, seen)
  let lastEventId: string | undefined = name.startsWith('feed') ? '0-0' : undefined
  while (!stopping.aborted) {
    const watching = watch({
      url,
      key: KEY,
      lastEventId,
      onFrame({ id, data }) {
        if (id !== undefined) lastEventId = id
        seen.push(JSON.parse(data).id)
      },
    })
    const cut = () => watching.cut()
    stopping.addEventListener('abort', cut, { once: true })
    const end = await watching.ended
    stopping.removeEventListener('abort', cut)
    const status = await watching.status
    // A stream of a run ends by itself after the run's last event.
    if (end === 'ended' && status === 200 && !name.startsWith('feed')) {
      const answer = await clientOf(new URL(url).origin, stopping).insist('GET', `/v1/runs/${name}`)
      if (!answer || ['completed', 'dead_letter', 'failed'].includes(answer.body.status)) return
    }
    await sleep(100)
  }
}
