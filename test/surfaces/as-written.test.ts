// The mounts keep and give on JSON as it was written, also inside of texts.
import { expect, test } from 'vitest'
import { askOf, json, SPACED, WRITTEN } from '../support/builders/as-written.ts'
import { httpYard } from '../support/http-yard.ts'
import { toolServer } from '../support/tool-server.ts'

async function claimed(ask: ReturnType<typeof askOf>) {
  const { text } = await ask('POST', '/v1/workers/claim', '{"worker_id":"w","wait_secs":5,"lease_secs":300}')
  const [run] = json(text).runs
  return { text, id: run.run.id as string, token: run.run_token as string }
}

test('Strait: payload, checkpoint, value, log data and result of a run', async () => {
  const ask = askOf(await httpYard())
  await ask('POST', '/v1/jobs', '{"slug":"j","execution":"worker"}')
  const { text } = await ask('POST', '/strait/v1/jobs/j/trigger', `{"payload":${SPACED}}`)
  const { id } = json(text)
  expect((await ask('GET', `/strait/v1/runs/${id}`)).text).toContain(`"payload":${WRITTEN}`)
  const run = await claimed(ask)
  expect(run.text).toContain(`"payload":${WRITTEN}`)
  const sdk = `/strait/sdk/v1/runs/${id}`
  const write = (path: string, body: string) => ask('POST', sdk + path, body, run.token)
  expect((await ask('GET', `${sdk}/payload`, undefined, run.token)).text).toBe(WRITTEN)
  await write('/checkpoint', `{"state":${SPACED}}`)
  await write('/state', `{"key":"k","value":${SPACED}}`)
  await write('/log', `{"level":"info","message":"m","data":${SPACED}}`)
  await write('/complete', `{"result":${SPACED}}`)
  const reads = [
    ['', 'result'],
    ['/checkpoints', 'state'],
    ['/state', 'value'],
    ['/events', 'data'],
  ]
  for (const [path, name] of reads)
    expect((await ask('GET', `/strait/v1/runs/${id}${path}`)).text, path).toContain(`"${name}":${WRITTEN}`)
})

test('Dynamiq: input and output of a run, and the result of a tool call, which is text', async () => {
  const ask = askOf(await httpYard())
  await ask('POST', '/v1/jobs', '{"slug":"app","execution":"worker","max_attempts":1}')
  const { text } = await ask('POST', '/dynamiq/v1/runs', `{"background":true,"user_id":"ada","input":${SPACED}}`)
  expect(text).toContain(`"input":${WRITTEN}`)
  const run = await claimed(ask)
  expect(run.text).toContain(`"payload":{"input":${WRITTEN},"user_id":"ada"}`)
  const write = (path: string, body: string) => ask('POST', `/v1/runs/${run.id}/${path}`, body, run.token)
  await write('tool-call', `{"tool_name":"t","input":${SPACED},"output":${SPACED}}`)
  await write('complete', `{"result":${SPACED}}`)
  const shown = (await ask('GET', `/dynamiq/v1/runs/${run.id}`)).text
  expect(shown).toContain(`"input":${WRITTEN}`)
  expect(shown).toContain(`"output":${WRITTEN}`)
  const events = (await ask('GET', `/dynamiq/v1/runs/${run.id}/events`)).text
  expect(events).toContain(`"output":${WRITTEN}`)
  expect(events).toContain(`"input":${WRITTEN}`)
  expect(events).toContain(`"result":${JSON.stringify(WRITTEN)}`)
})

test('OnceOnly: events with fields of their own, the result of a lease, and a governed call', async () => {
  const ask = askOf(await httpYard())
  const call = (method: string, path: string, body?: string) => ask(method, `/onceonly/v1${path}`, body)
  await call(
    'POST',
    '/events',
    `{"run_id":"r","type":"noted","data":${SPACED},"more":${SPACED},"digits":9007199254740993}`,
  )
  const events = (await call('GET', '/runs/r')).text
  for (const part of [`"data":${WRITTEN}`, `"more":${WRITTEN}`, '"digits":9007199254740993'])
    expect(events).toContain(part)
  const lease = json((await call('POST', '/ai/lease', '{"key":"k"}')).text).lease_id
  await call('POST', '/ai/complete', `{"key":"k","lease_id":"${lease}","result":${SPACED}}`)
  expect((await call('GET', '/ai/result?key=k')).text).toContain(`"result":${WRITTEN}`)
  const tool = await toolServer(() => ({ body: SPACED }))
  await call('POST', '/tools', JSON.stringify({ name: 'act', url: tool.url }))
  const made = `{"agent_id":"bot","tool":"act","args":${SPACED}}`
  const [first, again] = [await call('POST', '/ai/run', made), await call('POST', '/ai/run', made)]
  expect(tool.calls.map((it) => it.text)).toEqual([expect.stringContaining(`"args":${WRITTEN}`)])
  expect(first.text).toContain(`"result":${WRITTEN}`)
  expect(json(again.text).decision).toBe('dedup')
  expect(again.text).toContain(`"result":${WRITTEN}`)
  const actions = `[{"tool":"act","args":{"n":9007199254740993}}]`
  await call('POST', '/ai/run', `{"key":"agenda","metadata":{"agent_id":"bot","actions":${actions}}}`)
  await expect
    .poll(async () => (await call('GET', '/ai/result?key=agenda')).text, { timeout: 10_000 })
    .toContain(`"result":${WRITTEN}`)
  expect(tool.calls.at(-1)!.text).toContain('"args":{"n":9007199254740993}')
})

test('VirtuousAI: the payload of an event', async () => {
  const ask = askOf(await httpYard())
  const event = `{"type":"noted","resource_type":"agent","resource_id":"a","data":${SPACED}}`
  const { id } = json((await ask('POST', '/v1/events', event)).text)
  expect((await ask('GET', `/vai/api/v1/events/${id}`)).text).toContain(`"payload":${WRITTEN}`)
  expect((await ask('GET', '/vai/api/v1/events')).text).toContain(`"payload":${WRITTEN}`)
})
