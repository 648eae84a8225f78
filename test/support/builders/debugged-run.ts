// A run in debug mode whose endpoint repeats the secrets that it was sent.
import { strFromU8, unzipSync } from 'fflate'
import { expect } from 'vitest'
import { type Call, httpYard, untilState } from '../http-yard.ts'
import { httpServer } from '../local-servers.ts'

export const PASSWORD = 'hunter2-of-the-endpoint'

export const IN_URL = 'key-within-the-address'

export type Seen = Record<string, string>

/** An endpoint that fails once, repeats what it was sent in its headers, and then writes what an agent would. */
export async function echoing(address: () => string) {
  const seen: Seen[] = []
  const server = await httpServer(async (request, response) => {
    for await (const _ of request);
    const headers = request.headers as Seen
    seen.push(headers)
    response.setHeader('set-cookie', 'session=a-session-of-the-endpoint')
    response.setHeader('x-echo', `you are ${headers['x-run-token']} with ${headers['x-secret-door']}`)
    response.setHeader('location', `http://me:${PASSWORD}@example.com/?access_token=${IN_URL}`)
    if (seen.length === 1) return response.writeHead(503).end('not yet')
    const say = (path: string, body: object) =>
      fetch(`${address()}/v1/runs/${headers['x-run-id']}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${headers['x-run-token']}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    await say('/log', { level: 'debug', message: 'a debug line' })
    await say('/checkpoint', { source: 'test', state: { step: 1 } })
    await say('/tool-call', { tool_name: 'search', input: { q: 'x' }, output: [1], status: 'completed' })
    await say('/usage', { provider: 'p', model: 'm', prompt_tokens: 3, completion_tokens: 4, cost_microusd: 5 })
    await say('/output', { output_key: 'report', value: 'done' })
    await say('/state', { key: 'k', value: { v: 1 } })
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"fine":true}')
  })
  return { url: `${server.url}hook?plain=1&api_key=${IN_URL}`, seen }
}

/** A run whose dispatches are held back until its debug mode is as wanted. */
export async function runOf(
  call: Call,
  job: { slug: string; endpoint_url: string; [more: string]: unknown },
  debugMode: boolean,
): Promise<string> {
  const made = await call('POST', '/v1/jobs', {
    execution: 'http',
    retry_strategy: 'fixed',
    retry_initial_delay_secs: 0,
    ...job,
  })
  expect(made.status).toBe(201)
  await call('POST', `/v1/jobs/${job.slug}/pause`)
  const run = await call('POST', `/v1/jobs/${job.slug}/runs`, { payload: { a: 1 } })
  if (debugMode) await call('POST', `/v1/runs/${run.body.id}/debug`, { debug_mode: true })
  await call('POST', `/v1/jobs/${job.slug}/resume`)
  return run.body.id
}

export async function debuggedRun() {
  const { call, address, url: database } = await httpYard()
  const { url, seen } = await echoing(() => address)
  const endpoint_headers = { Authorization: `Basic ${PASSWORD}`, 'X-Secret-Door': PASSWORD, 'X-Plain': 'plain' }
  const id = await runOf(call, { slug: 'echo', endpoint_url: url, endpoint_headers }, true)
  await untilState(call, id, ['completed'])
  return { call, address, id, seen, database }
}

export const zipOf = async (address: string, id: string, query = '?format=zip', accept = '*/*') => {
  const reply = await fetch(`${address}/v1/runs/${id}/debug-bundle${query}`, {
    headers: { authorization: 'Bearer test-key-of-the-operator', accept },
  })
  expect(reply.status).toBe(200)
  expect(reply.headers.get('content-type')).toBe('application/zip')
  expect(reply.headers.get('content-disposition')).toMatch(/^attachment; filename="runyard-run-[A-Za-z0-9_-]+\.zip"$/)
  const files = unzipSync(new Uint8Array(await reply.arrayBuffer()))
  return Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, strFromU8(bytes)])) as Record<
    string,
    string
  >
}
