// Jobs behind a URL, dispatched by a real node to a handler of the web's own Request and Response.
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createClient } from '#sdk/client.ts'
import { serve } from '#sdk/http/serve.ts'
import { defineJob } from '#sdk/job/define-job.ts'
import type { AnyJob } from '#sdk/job/job.ts'
import { registerJobs } from '#sdk/job/register-jobs.ts'
import { until } from '../../support/http-yard.ts'
import { httpServer } from '../../support/local-servers.ts'
import { jobYard } from './job-yard.ts'

const SILENT = { info: () => {}, warn: () => {} }

/** Where the handler finds the node. */
type Between = (address: string) => Promise<string>

/** A node, and a server that hands what it gets to `serve`. */
async function handlerYard(jobsAt: (url: string) => AnyJob[], between: Between = async (address) => address) {
  const { client, address, work } = await jobYard()
  let handle: (request: Request) => Promise<Response> = async () => new Response(null, { status: 503 })
  const errors: unknown[] = []
  const { url } = await httpServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)] as [string, string])
    const answer = await handle(
      new Request(new URL(request.url ?? '', url), { method: 'POST', headers, body: Buffer.concat(chunks) }),
    )
    response.writeHead(answer.status).end(await answer.text())
  })
  const jobs = jobsAt(url)
  const secrets = await registerJobs(client, jobs, { registration: true, log: SILENT })
  handle = serve(jobs, {
    // It has no credential: each dispatch brings one.
    client: createClient({ baseUrl: await between(address) }),
    secret: Object.fromEntries(secrets),
    onError: (error) => errors.push(error),
  })
  return { client, jobs, secrets, errors, url, handle, work }
}

test('a handler executes several jobs, with steps and waits, and reports how they ended', async () => {
  const done: string[] = []
  const { jobs, client, errors } = await handlerYard((url) => [
    defineJob('order', {
      endpointUrl: `${url}order`,
      retryStrategy: 'fixed',
      retryInitialDelaySecs: 0,
      payload: z.object({ n: z.number() }),
      async run({ payload, step, waitFor, run, previousError }) {
        const one = await step('one', () => done.push('one'))
        const paid = await waitFor('paid')
        if (run.attempt === 1) throw new Error('not yet')
        return { n: payload.n, one, paid, previousError, job: run.job_slug }
      },
    }),
    defineJob('refuse', {
      endpointUrl: `${url}refuse`,
      payload: z.object({ n: z.number().refine((n) => n > 0, 'must be positive') }),
      run: () => 1,
    }),
  ])
  const [order, refuse] = jobs as [AnyJob, AnyJob]
  const { id } = await order.trigger(client, { n: 3 })
  await until(
    () => client.getRun({ run_id: id }),
    ({ status }) => status === 'waiting',
  )
  await client.sendEvent({ event_key: 'paid', payload: 5 })
  expect((await order.wait(client, id)).unwrap()).toEqual({
    n: 3,
    one: 1,
    paid: 5,
    previousError: 'not yet',
    job: 'order',
  })
  expect(done).toEqual(['one'])
  const { id: refused } = await client.triggerRun({ job: 'refuse', payload: { n: -1 } })
  expect((await refuse.wait(client, refused)).run).toMatchObject({
    status: 'failed',
    error_code: 'invalid_payload',
    attempt: 1,
  })
  expect(errors).toEqual([])
})

test('what is not signed, or not with the right secret, is refused and executes nothing', async () => {
  let ran = false
  const { handle, url, secrets } = await handlerYard((at) => [
    defineJob('job', {
      endpointUrl: `${at}job`,
      run() {
        ran = true
      },
    }),
  ])
  expect(secrets.get('job')).toMatch(/^whsec_/)
  const asked = (headers: Record<string, string>, method = 'POST') =>
    handle(new Request(`${url}job`, { method, headers, ...(method === 'POST' && { body: '{}' }) })).then(
      (it) => it.status,
    )
  const now = String(Math.floor(Date.now() / 1000))
  const signed = { 'webhook-id': 'm', 'webhook-timestamp': now, 'webhook-signature': 'v1,AAAA', 'x-run-id': 'r' }
  expect(await asked({})).toBe(401)
  expect(await asked(signed)).toBe(401)
  expect(await asked({ ...signed, 'webhook-signature': 'v1,%%% v2,AAAA nothing' })).toBe(401)
  expect(await asked({ ...signed, 'webhook-timestamp': 'soon' })).toBe(401)
  expect(await asked({ ...signed, 'webhook-timestamp': '1' })).toBe(401)
  expect(await asked({}, 'GET')).toBe(405)
  expect(ran).toBe(false)
})

test('a handler without a credential gets results of children that do not fit into the outcome of the wait', async () => {
  const large = 'x'.repeat(100_000)
  const leaf = defineJob('leaf', { run: () => large })
  const { jobs, client, errors, work } = await handlerYard((url) => [
    defineJob('root', {
      endpointUrl: `${url}root`,
      run: async ({ child }) => (await child('leaf', leaf, null)).length,
    }),
  ])
  await work([leaf]).ready
  expect((await jobs[0]!.triggerAndWait(client, null)).unwrap()).toBe(large.length)
  expect(errors).toEqual([])
})

test('a canceled run stops its handler', async () => {
  // The run is executing as soon as it is dispatched, which is before the handler has it.
  const started = Promise.withResolvers<void>()
  const told = Promise.withResolvers<unknown>()
  const { jobs, client } = await handlerYard((url) => [
    defineJob('job', {
      endpointUrl: `${url}job`,
      run: ({ signal }) =>
        new Promise((_, reject) => {
          started.resolve()
          signal.addEventListener('abort', () => {
            told.resolve(signal.reason)
            reject(signal.reason)
          })
        }),
    }),
  ])
  const { id } = await jobs[0]!.trigger(client, {})
  await started.promise
  await client.cancelRun({ run_id: id })
  expect(await told.promise).toMatchObject({ told: 'stop' })
})

test('a result that its schema refuses fails the run at once, as another attempt would give the same', async () => {
  let attempts = 0
  const { jobs, client, errors } = await handlerYard((url) => [
    defineJob('job', {
      endpointUrl: `${url}job`,
      run() {
        attempts++
        return { n: 'no number' }
      },
    }),
  ])
  await client.updateJob({ job: 'job', result_schema: { type: 'object', properties: { n: { type: 'number' } } } })
  const { id } = await jobs[0]!.trigger(client, {})
  expect((await jobs[0]!.wait(client, id)).run).toMatchObject({
    status: 'failed',
    attempt: 1,
    error_code: 'invalid',
    error: expect.stringContaining('result'),
  })
  expect({ attempts, errors }).toEqual({ attempts: 1, errors: [] })
})

test('a node that is away for some seconds loses no result', async () => {
  let refusals = 0
  const between: Between = async (address) => {
    const { url } = await httpServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      if (request.url?.endsWith('/complete') && ++refusals <= 5) return void response.writeHead(503).end()
      const { authorization = '', 'content-type': type } = request.headers
      const answer = await fetch(address + request.url, {
        method: request.method ?? 'GET',
        headers: { authorization, ...(type !== undefined && { 'content-type': type }) },
        ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
      })
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
    })
    return url
  }
  const { jobs, client, errors } = await handlerYard(
    (url) => [defineJob('job', { endpointUrl: `${url}job`, run: () => 'done' })],
    between,
  )
  const { id } = await jobs[0]!.trigger(client, {})
  const outcome = await jobs[0]!.wait(client, id)
  expect(outcome.run).toMatchObject({ status: 'completed', attempt: 1, result: 'done' })
  expect(errors).toEqual([])
})

test('a body that is too long is refused before it is read to its end', async () => {
  const { handle, url } = await handlerYard((at) => [defineJob('job', { endpointUrl: `${at}job`, run: () => 1 })])
  const sent = (headers: Record<string, string>) => {
    let chunks = 0
    const body = new ReadableStream({
      pull(stream) {
        // One character of a string is three bytes on the wire.
        if (++chunks <= 100) stream.enqueue(new TextEncoder().encode('\u20ac'.repeat(32 * 1024)))
        else stream.close()
      },
    })
    const request = new Request(`${url}job`, { method: 'POST', headers, body, duplex: 'half' } as RequestInit)
    return handle(request).then(({ status }) => ({ status, chunks }))
  }
  const undeclared = await sent({})
  expect(undeclared.status).toBe(413)
  expect(undeclared.chunks).toBeLessThan(30)
  const declared = await sent({ 'content-length': String(100 * 1024 * 1024) })
  expect(declared.status).toBe(413)
  expect(declared.chunks).toBeLessThan(3)
})
