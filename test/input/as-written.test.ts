// What clients write as JSON is kept and given on as it was written: all digits of its numbers, the order of its keys.
import { createServer } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { askOf, json, SPACED, WRITTEN } from '../support/builders/as-written.ts'
import { httpYard, KEY, untilState } from '../support/http-yard.ts'

async function yardWithJob() {
  const yard = await httpYard()
  const ask = askOf(yard)
  await ask('POST', '/v1/jobs', '{"slug":"j","execution":"worker","queue":"q"}')
  const trigger = async (payload: string) =>
    json((await ask('POST', '/v1/jobs/j/runs', `{"payload":${payload}}`)).text).id as string
  const claim = async () => {
    const { text } = await ask('POST', '/v1/workers/claim', '{"worker_id":"w","queues":["q"],"lease_secs":300}')
    const [run] = json(text).runs
    return { text, id: run.run.id as string, lease: run.lease_token as string, token: run.run_token as string }
  }
  return { ...yard, ask, trigger, claim }
}

describe('a run', () => {
  test('gives its payload to readers, workers and its own attempt as it was written', async () => {
    const { ask, trigger, claim } = await yardWithJob()
    const id = await trigger(SPACED)
    expect((await ask('GET', `/v1/runs/${id}`)).text).toContain(`"payload":${WRITTEN}`)
    const claimed = await claim()
    expect(claimed.text).toContain(`"payload":${WRITTEN}`)
    expect((await ask('GET', `/v1/runs/${id}/payload`, undefined, claimed.token)).text).toBe(WRITTEN)
  })

  test('gives its result, and the payload of its replay, as they were written', async () => {
    const { ask, trigger, claim } = await yardWithJob()
    const id = await trigger(WRITTEN)
    const { lease } = await claim()
    const settled = await ask(
      'POST',
      '/v1/workers/settle',
      `{"settlements":[{"run_id":"${id}","lease_token":"${lease}","outcome":"completed","result":${SPACED}}]}`,
    )
    expect(settled.text).toContain('"completed"')
    expect((await ask('GET', `/v1/runs/${id}`)).text).toContain(`"result":${WRITTEN}`)
    const replay = json((await ask('POST', `/v1/runs/${id}/replay`, '{}')).text)
    expect((await ask('GET', `/v1/runs/${replay.id}`)).text).toContain(`"payload":${WRITTEN}`)
    expect((await claim()).text).toContain(`"payload":${WRITTEN}`)
  })

  test('keeps what each item of a batch brings as it was written', async () => {
    const { ask } = await yardWithJob()
    const items = ['1e400', '12345678901234567890.10', SPACED].map((payload) => `{"payload": ${payload} }`)
    const { text } = await ask('POST', '/v1/jobs/j/runs/batch', `{"items": [ ${items.join(' ,')} ]}`)
    const ids = json(text).results.map((it: { run: { id: string } }) => it.run.id)
    const payloads = ['1e400', '12345678901234567890.10', WRITTEN]
    for (const [index, id] of ids.entries())
      expect((await ask('GET', `/v1/runs/${id}`)).text).toContain(`"payload":${payloads[index]}`)
  })

  test('gives checkpoints, values, outputs and tool calls as they were written', async () => {
    const { ask, trigger, claim } = await yardWithJob()
    const id = await trigger('null')
    const { token, lease } = await claim()
    const write = async (path: string, body: string) => {
      const { status, text } = await ask('POST', `/v1/runs/${id}/${path}`, body, token)
      expect([status, text]).toEqual([201, expect.anything()])
      return text
    }
    await write('checkpoint', `{"state":${SPACED}}`)
    expect((await ask('GET', `/v1/runs/${id}/checkpoints/1`)).text).toContain(`"state":${WRITTEN}`)
    expect(await write('state', `{"key":"k","value":${SPACED}}`)).toContain(`"value":${WRITTEN}`)
    expect((await ask('GET', `/v1/runs/${id}/state/k`)).text).toContain(`"value":${WRITTEN}`)
    expect(await write('output', `{"output_key":"o","value":${SPACED}}`)).toContain(`"value":${WRITTEN}`)
    expect((await ask('GET', `/v1/runs/${id}/outputs`)).text).toContain(`"value":${WRITTEN}`)
    await write('tool-call', `{"tool_name":"t","input":${SPACED},"output":${SPACED}}`)
    expect((await ask('GET', `/v1/runs/${id}/tool-calls`)).text).toContain(`"input":${WRITTEN},"output":${WRITTEN}`)
    const { text } = await ask('GET', `/v1/runs/${id}/debug-bundle`)
    expect(text.split(WRITTEN)).toHaveLength(6)
    // The next attempt goes on from the checkpoint.
    await ask(
      'POST',
      '/v1/workers/settle',
      `{"settlements":[{"run_id":"${id}","lease_token":"${lease}","outcome":"returned"}]}`,
    )
    expect((await claim()).text).toContain(`"state":${WRITTEN}`)
  })

  test('is given what it waited for as it was written, at once or after it has rested', async () => {
    const { ask, call, trigger, claim } = await yardWithJob()
    await trigger('null')
    await trigger('null')
    const [waiting, awaited] = [await claim(), await claim()]
    const items = `[{"event_key":"early"},{"event_key":"late"},{"run_id":"${awaited.id}"}]`
    const wait = (token: string) => ask('POST', `/v1/runs/${waiting.id}/waits`, `{"key":"k","for":${items}}`, token)
    await ask('POST', '/v1/events/early/send', `{"payload":${SPACED}}`)
    const begun = await wait(waiting.token)
    expect(begun.text).toContain('"status":"waiting"')
    expect(begun.text).toContain(`"payload":${WRITTEN}`)
    await ask('POST', '/v1/events/late/send', `{"payload":${SPACED}}`)
    await ask(
      'POST',
      '/v1/workers/settle',
      `{"settlements":[{"run_id":"${awaited.id}","lease_token":"${awaited.lease}","outcome":"completed","result":${SPACED}}]}`,
    )
    await untilState(call, waiting.id, ['queued'])
    const { text } = await wait((await claim()).token)
    expect(text).toContain('"status":"done"')
    expect(text.split(`"payload":${WRITTEN}`)).toHaveLength(3)
    expect(text).toContain(`"result":${WRITTEN}`)
  })

  test('is called with its payload as it was written, and keeps the answer so', async () => {
    const { ask, call } = await yardWithJob()
    const bodies: string[] = []
    const endpoint = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      bodies.push(body)
      response.end(SPACED)
    })
    await new Promise<void>((resolve) => void endpoint.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void endpoint.close())
    const { port } = endpoint.address() as { port: number }
    await ask('POST', '/v1/jobs', `{"slug":"h","execution":"http","endpoint_url":"http://127.0.0.1:${port}/"}`)
    const { id } = json((await ask('POST', '/v1/jobs/h/runs', `{"payload":${SPACED}}`)).text)
    await untilState(call, id, ['completed'])
    expect(bodies).toEqual([WRITTEN])
    expect((await ask('GET', `/v1/runs/${id}`)).text).toContain(`"result":${WRITTEN}`)
  })
})

describe('a person', () => {
  test('is shown what an agent asks for as it was written, and the call is made with that', async () => {
    const { ask, trigger, claim } = await yardWithJob()
    await ask('PUT', '/v1/agents/j/policy', '{"policy":{"approval_tools":["pay"]}}')
    const id = await trigger('null')
    const { token } = await claim()
    const call = (editable: string) =>
      ask(
        'POST',
        `/v1/runs/${id}/authorize`,
        `{"tool":"pay","args":${SPACED},"key":"${editable}","editable_params":["${editable}"]}`,
        token,
      )
    expect((await call('a')).text).toContain('"asked"')
    const pending = await ask('GET', '/v1/input-requests?status=pending')
    expect(pending.text).toContain(`"params":${WRITTEN}`)
    const [{ id: question }] = json(pending.text).data
    expect((await ask('POST', `/v1/input-requests/${question}/answer`, '{"approved":true}')).status).toBe(200)
    const allowed = await call('a')
    expect(allowed.text).toContain('"allowed"')
    expect(allowed.text).toContain(`"params":${WRITTEN}`)
  })

  test('is asked by a run, and answers, as it was written', async () => {
    const { ask, trigger, claim } = await yardWithJob()
    const id = await trigger('null')
    const { token } = await claim()
    const asked = await ask(
      'POST',
      `/v1/runs/${id}/input-requests`,
      `{"kind":"feedback","prompt":"Well?","params":${SPACED},"editable_params":["2"]}`,
      token,
    )
    expect(asked.text).toContain(`"params":${WRITTEN}`)
    const answer = '{"feedback":1.50,"params":{"2":98765432109876543210.10}}'
    const path = `/v1/input-requests/${json(asked.text).id}/answer`
    const { status, text } = await ask('POST', path, answer)
    expect([status, text]).toEqual([200, expect.stringContaining('"feedback":1.50')])
    expect(text).toContain('"2":98765432109876543210.10')
    expect(text).toContain('"a":[9007199254740993,1e400,-0.0,1E5]')
  })
})

describe('an event', () => {
  test('gives its data to lists and streams as they were written, whether it came alone, in a list or in lines', async () => {
    const yard = await yardWithJob()
    const { ask, address } = yard
    const event = (message: string) => `{"type":"noted","run_id":"r","message":"${message}","data":${SPACED}}`
    await ask('POST', '/v1/events', event('one'))
    await ask('POST', '/v1/events', `[${event('two')}]`)
    const lines = await fetch(`${address}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/x-ndjson' },
      body: `${event('three').replaceAll(/\n\s*/g, ' ')}\n`,
    })
    expect(lines.status).toBe(200)
    const { text } = await ask('GET', '/v1/runs/r/events')
    expect(text.split(`"data":${WRITTEN}`)).toHaveLength(4)
    const stopped = new AbortController()
    const stream = await fetch(`${address}/v1/runs/r/stream`, {
      headers: { authorization: `Bearer ${KEY}` },
      signal: stopped.signal,
    })
    let frames = ''
    for await (const chunk of stream.body!.pipeThrough(new TextDecoderStream())) {
      frames += chunk
      if (frames.split(WRITTEN).length === 4) break
    }
    stopped.abort()
    // Each is one line of its frame.
    expect(frames.match(/^data: .*"data":\{"b":1,.*\}$/gm)).toHaveLength(3)
  })
})

describe('numbers', () => {
  test('of one idempotency key are compared by all their digits', async () => {
    const { ask } = await yardWithJob()
    const trigger = (payload: string) =>
      ask('POST', '/v1/jobs/j/runs', `{"idempotency_key":"k","payload":{"n":${payload}}}`)
    expect((await trigger('9007199254740993')).status).toBe(201)
    expect((await trigger('9007199254740992')).status).toBe(409)
    expect((await trigger('9007199254740993.0')).status).toBe(200)
  })

  test('are found by all their digits, however they were written', async () => {
    const { ask, trigger } = await yardWithJob()
    const id = await trigger('{"n":9007199254740993,"h":1e400}')
    await trigger('{"n":9007199254740992,"h":1e401}')
    const found = async (text: string) =>
      json((await ask('GET', `/v1/runs?payload_contains=${encodeURIComponent(text)}`)).text).data.map(
        (run: { id: string }) => run.id,
      )
    expect(await found('{"n":9007199254740993.0}')).toEqual([id])
    expect(await found('{"h":10e399}')).toEqual([id])
  })

  test('with more digits than PostgreSQL compares are refused with their field, and harm no other item', async () => {
    const { ask } = await yardWithJob()
    for (const number of ['1e131072', '1e-16384', `1${'0'.repeat(131_072)}`]) {
      const { status, text } = await ask('POST', '/v1/jobs/j/runs', `{"payload":{"n":${number}}}`)
      expect([status, json(text).error.details.fields[0].field], number.slice(0, 20)).toEqual([422, 'payload'])
    }
    const { text } = await ask('POST', '/v1/jobs/j/runs/batch', '{"items":[{"payload":1e131072},{"payload":1e131071}]}')
    expect(json(text).results.map((it: { status: string }) => it.status)).toEqual(['refused', 'created'])
    const found = await ask('GET', '/v1/runs?payload_contains=1e131071')
    expect(json(found.text).data).toHaveLength(1)
  })
})
