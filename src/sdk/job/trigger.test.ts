// What triggers send, and what becomes of their errors.
import { expect, test } from 'vitest'
import { httpServer } from '#test/support/local-servers.ts'
import { createClient } from '../client.ts'
import { defineJob } from './define-job.ts'

const job = defineJob('double', { run: () => 2 })

/** A client of a server that takes batches; `refuse` says what it does instead with the call of that number. */
async function batches(refuse: (call: number) => 'nothing' | number | undefined) {
  let calls = 0
  const { url } = await httpServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { items } = JSON.parse(Buffer.concat(chunks).toString()) as { items: { payload: number }[] }
    const refusal = refuse(++calls)
    if (refusal === 'nothing') return void response.destroy()
    response.writeHead(refusal ?? 200, { 'content-type': 'application/json' })
    if (refusal !== undefined) return void response.end('{"error":{"code":"plan_exceeded","message":"Full."}}')
    const results = items.map(({ payload }) => ({ status: 'created', run: { id: `run-${payload}`, status: 'queued' } }))
    response.end(JSON.stringify({ results }))
  })
  return { client: createClient({ baseUrl: url, credential: 'k' }), calls: () => calls }
}

const items = (count: number) => Array.from({ length: count }, (_, payload) => ({ payload }))

test('what was triggered before a call failed comes with its error', async () => {
  const { client } = await batches((call) => (call === 2 ? 402 : undefined))
  const failed = job.triggerMany(client, items(501))
  await expect(failed).rejects.toMatchObject({ status: 402, code: 'plan_exceeded' })
  const { details } = await failed.catch((error) => error)
  expect(details.triggered).toHaveLength(500)
  expect(details.triggered[499]).toEqual({
    ok: true,
    run: { id: 'run-499', status: 'queued' },
    replayed: false,
    debounced: false,
  })
})

test('a batch whose reply is lost is sent again if each of its items has an idempotency key', async () => {
  const keyed = await batches((call) => (call === 1 ? 'nothing' : undefined))
  const withKeys = items(2).map((item) => ({ ...item, idempotencyKey: `k${item.payload}` }))
  expect(await job.triggerMany(keyed.client, withKeys)).toHaveLength(2)
  expect(keyed.calls()).toBe(2)
  const plain = await batches(() => 'nothing')
  const mixed = [...withKeys, ...items(1)]
  await expect(job.triggerMany(plain.client, mixed)).rejects.toMatchObject({ code: 'unreachable' })
  expect(plain.calls()).toBe(1)
})

test('a wait that no timer can hold is refused before anything is triggered', async () => {
  const { client, calls } = await batches(() => undefined)
  await expect(job.triggerAndWait(client, null, { waitSecs: 60 * 86_400 })).rejects.toThrow('waitSecs must be')
  await expect(job.wait(client, 'run-1', { waitSecs: -1 })).rejects.toThrow('waitSecs must be')
  expect(calls()).toBe(0)
})

test('a run that is triggered and cannot be waited for is named by the error', async () => {
  const { url } = await httpServer((request, response) => {
    response.writeHead(request.method === 'POST' ? 201 : 403, { 'content-type': 'application/json' })
    const refusal = { error: { code: 'forbidden', message: 'No.', details: { needs: 'runs:read' } } }
    response.end(JSON.stringify(request.method === 'POST' ? { id: 'run-1' } : refusal))
  })
  const outcome = job.triggerAndWait(createClient({ baseUrl: url, credential: 'k' }), null)
  await expect(outcome).rejects.toMatchObject({ status: 403, details: { run_id: 'run-1', needs: 'runs:read' } })
})
