// A worker and the routes of a server that it talks to.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, vi } from 'vitest'
import { httpServer } from '#test/support/local-servers.ts'
import { createClient } from '../client.ts'
import type { Handling } from './execute.ts'
import { type RunLoopOptions, startRunLoop } from './run-loop.ts'

export type Settled = { run_id: string; lease_token: string; outcome: string; [more: string]: unknown }

export type Told = 'continue' | 'pause' | 'stop' | 'drain'

/** The worker routes of a server: the runs to claim, the signals to send, and the batches that were settled. */
export function fakeYard() {
  const yard = {
    queue: [] as string[],
    told: new Map<string, Told>(),
    refuse: new Map<string, { code: string; message: string }>(),
    beats: [] as string[][],
    batches: [] as Settled[][],
    calls: [] as { url: string; authorization: string | undefined; body: unknown }[],
    claims: 0,
    /** Answers instead of the routes while it is set. */
    instead: undefined as ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined,
    settled: () => yard.batches.flat(),
    claimed: (id: string, leaseSecs: number) => ({
      run: { id, attempt: 1 },
      payload: { name: id },
      lease_token: `lease-${id}`,
      lease_expires_in_ms: leaseSecs * 1000,
      run_token: `token-${id}`,
      checkpoint: null,
      previous_error: null,
      traceparent: '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01',
    }),
  }
  const routes: Record<string, (body: never) => unknown> = {
    '/v1/workers/claim': ({ limit, lease_secs }: { limit: number; lease_secs: number }) => {
      yard.claims++
      return { runs: yard.queue.splice(0, limit).map((id) => yard.claimed(id, lease_secs)) }
    },
    '/v1/workers/heartbeat': ({ leases }: { leases: Settled[] }) => {
      yard.beats.push(leases.map((lease) => lease.run_id))
      return {
        leases: leases.map(({ run_id }) => ({
          run_id,
          told: yard.told.get(run_id) ?? 'continue',
          lease_expires_in_ms: 5000,
        })),
      }
    },
    '/v1/workers/settle': ({ settlements }: { settlements: Settled[] }) => {
      yard.batches.push(settlements)
      return {
        results: settlements.map(({ run_id, outcome }) =>
          outcome === 'completed' && yard.refuse.has(run_id)
            ? { run_id, status: null, error: yard.refuse.get(run_id) }
            : { run_id, status: 'completed' },
        ),
      }
    },
  }
  return { yard, routes }
}

export async function start<Payload>(
  options: Partial<RunLoopOptions<Payload>> & Pick<RunLoopOptions<Payload>, 'handle'>,
) {
  const { yard, routes } = fakeYard()
  const { url } = await httpServer(async (request, response) => {
    const body = await text(request)
    if (yard.instead?.(request, response)) return
    const path = request.url ?? ''
    const route = routes[path]
    if (route) return void response.end(JSON.stringify(route((body ? JSON.parse(body) : {}) as never)))
    yard.calls.push({ url: path, authorization: request.headers.authorization, body: JSON.parse(body) })
    response.writeHead(201).end('{}')
  })
  const errors: unknown[] = []
  const worker = startRunLoop({
    client: createClient({ baseUrl: url, credential: 'key' }),
    workerId: 'w',
    queues: ['q'],
    concurrency: 2,
    leaseSecs: 1,
    waitSecs: 0,
    graceMs: 50,
    closeOn: [],
    onError: (error) => void errors.push(error),
    ...options,
  })
  onTestFinished(() => worker.close())
  return { yard, worker, errors }
}

export const until = (fact: () => boolean) =>
  vi.waitFor(() => expect(fact()).toBe(true), { timeout: 10_000, interval: 10 })

export const forEver = ({ signal }: Handling<unknown>): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason))
  })
