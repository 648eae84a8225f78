// Governed agents without the AI SDK's loop: OpenAI's functions, clients of MCP, streams, and plain calls.
import { streamText, wrapLanguageModel } from 'ai'
import { MockLanguageModelV3, simulateReadableStream } from 'ai/test'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { govern } from '#sdk/ai/govern.ts'
import type { Client } from '#sdk/client.ts'
import { defineJob } from '#sdk/job/define-job.ts'
import type { JobContext } from '#sdk/steps/context.ts'
import { testJob } from '#sdk/testing/test-job.ts'
import { jobYard } from './job-yard.ts'

// The AI SDK takes a while to load where the machine has other work.
vi.setConfig({ testTimeout: 120_000 })

type Policy = Parameters<Client['setPolicy']>[0]['policy']

/** Runs code as the job of an agent with this policy. */
async function runAs(policy: object, run: (context: JobContext<unknown>) => Promise<unknown>) {
  const { client, work } = await jobYard()
  await client.setPolicy({ agent_id: 'support', mode: 'enforce', policy: policy as Policy })
  const job = defineJob('support', { agent: 'support', maxAttempts: 1, run })
  await work([job]).ready
  const { run: ended } = await job.triggerAndWait(client, null)
  return { client, ended }
}

test('functions of chat completions and responses are described, checked, governed and answered', async () => {
  const made: unknown[] = []
  const { ended } = await runAs({ blocked_tools: ['refund'] }, async (context) => {
    const functions = govern(context).functions({
      look_up: {
        description: 'Looks up an order',
        parameters: z.object({ order: z.number() }),
        execute: ({ order }: { order: number }) => made.push(order) && { order, amount: 300 },
      },
      refund: { execute: () => made.push('refund') },
      broken: {
        execute: () => {
          throw new Error('no connection')
        },
      },
    })
    const call = (name: string, args: string) => ({ name, arguments: args })
    return {
      tools: functions.chatTools,
      chat: await functions.answerChat([
        { id: 'a', type: 'function', function: call('look_up', '{"order":7}') },
        { id: 'b', type: 'function', function: call('refund', '{}') },
        { id: 'c', type: 'function', function: call('look_up', '{"order":"7"}') },
        { id: 'd', type: 'function', function: call('look_up', '{"order') },
        { id: 'e', type: 'function', function: call('toString', '{}') },
        { id: 'f', type: 'function', function: call('broken', '') },
      ]),
      response: await functions.answerResponse([
        { type: 'message' },
        { type: 'function_call', call_id: 'g', name: 'look_up', arguments: '{"order":8}' },
      ]),
    }
  })
  expect(ended.error).toBeNull()
  const { tools, chat, response } = ended.result as {
    tools: { type: string; function: { name: string; parameters: object } }[]
    chat: { tool_call_id: string; content: string }[]
    response: object[]
  }
  expect(tools[0]).toMatchObject({
    type: 'function',
    function: {
      name: 'look_up',
      description: 'Looks up an order',
      parameters: { type: 'object', properties: { order: { type: 'number' } }, required: ['order'] },
    },
  })
  expect(chat.map(({ tool_call_id, content }) => [tool_call_id, JSON.parse(content)])).toEqual([
    ['a', { order: 7, amount: 300 }],
    ['b', { error: 'The policy does not allow the call of refund (tool_explicitly_blocked). Do not make it again.' }],
    ['c', { error: expect.stringContaining('Invalid arguments: order: ') }],
    ['d', { error: 'The arguments are not JSON' }],
    ['e', { error: 'Function toString not found' }],
    ['f', { error: 'no connection' }],
  ])
  expect(response).toEqual([{ type: 'function_call_output', call_id: 'g', output: '{"order":8,"amount":300}' }])
  expect(made).toEqual([7, 8])
})

test('a client of MCP calls what the policy allows, and gets an error result for the rest', async () => {
  const called: unknown[] = []
  class McpClient {
    #secret = 'private'
    async listTools() {
      return { tools: [{ name: 'search' }], secret: this.#secret }
    }
    async callTool({ name, arguments: args }: { name: string; arguments?: Record<string, unknown> }) {
      called.push([name, args])
      return { content: [{ type: 'text', text: 'found' }], isError: args?.q === 'bad' }
    }
  }
  const { client, ended } = await runAs({ blocked_tools: ['web_drop'] }, async (context) => {
    const mcp = govern(context).mcp(new McpClient(), { prefix: 'web_' })
    return [
      await mcp.listTools(),
      await mcp.callTool({ name: 'search', arguments: { q: 'good' } }),
      await mcp.callTool({ name: 'search', arguments: { q: 'bad' } }),
      await mcp.callTool({ name: 'drop' }),
    ]
  })
  expect(ended.result).toMatchObject([
    { tools: [{ name: 'search' }], secret: 'private' },
    { content: [{ text: 'found' }], isError: false },
    { content: [{ text: 'found' }], isError: true },
    { content: [{ text: expect.stringContaining('does not allow the call of web_drop') }], isError: true },
  ])
  expect(called).toEqual([
    ['search', { q: 'good' }],
    ['search', { q: 'bad' }],
  ])
  const { data } = await client.listAgentLog({ agent_id: 'support' })
  expect(data.map(({ outcome }) => outcome).sort()).toEqual(['failed', 'succeeded', null].sort())
})

test('a metered call of any client is kept and booked, with the usage that its answer tells', async () => {
  const { client, ended } = await runAs({}, async (context) => {
    const { meter } = govern(context)
    const openai = await meter(
      'chat',
      async () => ({
        model: 'gpt-5-2026-01-01',
        choices: [{ message: { content: 'Hi' } }],
        usage: {
          prompt_tokens: 1000,
          completion_tokens: 50,
          total_tokens: 1050,
          prompt_tokens_details: { cached_tokens: 900 },
          completion_tokens_details: { reasoning_tokens: 30 },
        },
      }),
      { provider: 'openai' },
    )
    await meter(
      'claude',
      async () => ({
        model: 'claude',
        usage: { input_tokens: 10, output_tokens: 5, cache_read_input_tokens: 90, cache_creation_input_tokens: 20 },
      }),
      { provider: 'anthropic', costMicrousd: ({ promptTokens }) => promptTokens * 2 },
    )
    await meter('mute', async () => 'no usage')
    return openai.choices[0]!.message.content
  })
  expect(ended.result).toBe('Hi')
  const { data: usage } = await client.listUsage({ run_id: ended.id })
  expect(usage).toMatchObject([
    {
      provider: 'openai',
      model: 'gpt-5-2026-01-01',
      prompt_tokens: 1000,
      cached_tokens: 900,
      reasoning_tokens: 30,
      total_tokens: 1050,
    },
    {
      provider: 'anthropic',
      prompt_tokens: 120,
      cached_tokens: 90,
      completion_tokens: 5,
      reasoning_tokens: null,
      cost_microusd: 240,
    },
  ])
  const { data: events } = await client.listRunEvents({ run_id: ended.id, type: ['log'] })
  expect(events[0]!.message).toBe('The answer of model mute does not say what it used: nothing was booked')
})

type Chunks = Parameters<typeof simulateReadableStream>[0]['chunks']

function streaming(chunks: Chunks) {
  return new MockLanguageModelV3({
    modelId: 'gpt-5',
    provider: 'openai',
    doStream: async () => ({ stream: simulateReadableStream({ chunks }) as never }),
  })
}

const FINISH = {
  type: 'finish',
  finishReason: { unified: 'stop', raw: undefined },
  usage: { inputTokens: { total: 3 }, outputTokens: { total: 2 } },
}

test('a streamed answer is handed on as it comes, and is the same when the code comes by again', async () => {
  const model = streaming([
    { type: 'stream-start', warnings: [] },
    { type: 'response-metadata', id: 'r', timestamp: new Date(0) },
    { type: 'text-start', id: '1' },
    { type: 'text-delta', id: '1', delta: 'Hel' },
    { type: 'text-delta', id: '1', delta: 'lo' },
    { type: 'text-end', id: '1' },
    FINISH,
  ])
  const pieces: string[][] = []
  const job = defineJob('stream', {
    async run(context) {
      const wrapped = wrapLanguageModel({ model, middleware: govern(context).middleware() })
      const { textStream } = streamText({ model: wrapped, prompt: 'Hi', abortSignal: context.signal })
      const heard: string[] = []
      for await (const text of textStream) heard.push(text)
      pieces.push(heard)
      await context.waitFor('go')
      return heard.join('')
    },
  })
  const tested = testJob(job)
  expect(await tested.run()).toEqual({ status: 'waiting', for: 'go' })
  expect(await tested.send('go').resume()).toEqual({ status: 'completed', result: 'Hello' })
  expect(pieces).toEqual([['Hel', 'lo'], ['Hello']])
  expect(model.doStreamCalls).toHaveLength(1)
  expect(tested.seen.usage).toMatchObject([{ prompt_tokens: 3, completion_tokens: 2 }])
})

test('an answer that breaks off is not kept', async () => {
  const model = streaming([
    { type: 'text-start', id: '1' },
    { type: 'error', error: new Error('overloaded') },
  ])
  const job = defineJob('stream', {
    async run(context) {
      const wrapped = wrapLanguageModel({ model, middleware: govern(context).middleware() })
      const errors: unknown[] = []
      const streamed = streamText({
        model: wrapped,
        prompt: 'Hi',
        onError: ({ error }) => void errors.push(String(error)),
      })
      await streamed.consumeStream()
      return errors
    },
  })
  const tested = testJob(job)
  expect(await tested.run()).toMatchObject({ status: 'completed', result: ['Error: overloaded'] })
  expect(tested.steps()).toEqual([])
  expect(tested.seen.usage).toEqual([])
})

test('a run rests for a person only when its other calls have ended', async () => {
  const order: string[] = []
  const slow = Promise.withResolvers<void>()
  const job = defineJob('parallel', {
    async run(context) {
      const ai = govern(context)
      const work = (name: string, until: Promise<void>) => async () => {
        await until
        order.push(name)
        return name
      }
      const outer = () => ai.call('outer', {}, () => ai.call('inner', {}, work('inner', Promise.resolve())))
      return Promise.all([
        ai.call('slow', {}, work('slow', slow.promise)),
        outer(),
        ai.call('ask', {}, work('ask', Promise.resolve())),
      ])
    },
  })
  const tested = testJob(job, { decide: ({ tool }) => (tool === 'ask' || tool === 'inner' ? 'asked' : 'allowed') })
  const rests = tested.run()
  setImmediate(() => slow.resolve())
  expect(await rests).toMatchObject({ status: 'waiting' })
  expect(order).toEqual(['slow'])
  for (const tool of ['ask', 'inner']) tested.answer(tool, { approved: true })
  expect(await tested.resume()).toEqual({ status: 'completed', result: ['slow', 'inner', 'ask'] })
  expect(order.filter((name) => name === 'slow')).toHaveLength(1)
})
