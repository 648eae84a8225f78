// Triggers one run after the other on a node that has nothing else to do, and takes the time until each begins. The
// pause between two is random, so that no timer of the node's falls into step with it.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'undici'
import { type Post, poster } from '../lib/call.ts'
import { scriptInput, scriptOutput } from '../lib/child.ts'
import { tails } from '../lib/numbers.ts'

export type LatencyEntry = { url: string; key: string; samples: number; warmUp: number }
export type Latency = { claim: ReturnType<typeof tails>; dispatch: ReturnType<typeof tails> }
export const WORKER_JOB = 'bench-worker'
export const HTTP_JOB = 'bench-http'

type Claimed = { runs: { run: { id: string }; lease_token: string }[] }

const pause = () => sleep(5 + Math.random() * 10)

/** From the trigger's request to the answer of a claim that waited for it. */
async function claim(trigger: Post, work: Post): Promise<number> {
  const claimed = work<Claimed>('/v1/workers/claim', { worker_id: 'bench', wait_secs: 20 })
  await pause()
  const began = performance.now()
  const triggered = trigger(`/v1/jobs/${WORKER_JOB}/runs`, { payload: { n: 1 } })
  const { runs } = await claimed
  const took = performance.now() - began
  await triggered
  const settlements = runs.map(({ run, lease_token }) => ({ run_id: run.id, lease_token, outcome: 'completed' }))
  await work('/v1/workers/settle', { settlements })
  return took
}

/** From the trigger's request to the call of the endpoint. */
async function dispatch(trigger: Post, called: () => Promise<unknown>): Promise<number> {
  await pause()
  const began = performance.now()
  const next = called().then(() => performance.now() - began)
  await trigger(`/v1/jobs/${HTTP_JOB}/runs`, { payload: { n: 1 } })
  return next
}

async function sample({ samples, warmUp }: LatencyEntry, one: () => Promise<number>): Promise<Latency['claim']> {
  const took: number[] = []
  for (let nth = 0; nth < warmUp + samples; nth++) took.push(await one())
  return tails(took.slice(warmUp))
}

async function latency(entry: LatencyEntry): Promise<Latency> {
  const endpoint = createServer((request, response) => {
    endpoint.emit('called')
    request.resume()
    response.end('{}')
  }).listen(0, '127.0.0.1')
  await once(endpoint, 'listening')
  const [trigger, work] = [new Client(entry.url), new Client(entry.url)]
  const post = poster(trigger, entry.key)
  const { port } = endpoint.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/`
  // The jobs are there already the second time, and the endpoint has moved.
  const make = (slug: string, more: object) => post('/v1/jobs', { slug, ...more }).catch(refuseOther)
  await make(WORKER_JOB, { execution: 'worker' })
  await make(HTTP_JOB, { execution: 'http', endpoint_url: url })
  await trigger
    .request({
      method: 'PATCH',
      path: `/v1/jobs/${HTTP_JOB}`,
      headers: { authorization: `Bearer ${entry.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ endpoint_url: url }),
    })
    .then((answer) => answer.body.dump())
  const result = {
    claim: await sample(entry, () => claim(post, poster(work, entry.key))),
    dispatch: await sample(entry, () => dispatch(post, () => once(endpoint, 'called'))),
  }
  await Promise.all([trigger.close(), work.close()])
  // The run whose call came last is still being settled.
  await sleep(200)
  endpoint.close()
  endpoint.closeAllConnections()
  return result
}

function refuseOther(error: Error): void {
  if (!error.message.includes('job_exists')) throw error
}

scriptOutput(await latency(await scriptInput<LatencyEntry>()))
