// Agents with the AI SDK on a real node: their tools are governed, their model calls kept and booked.
import { generateText, type LanguageModel, stepCountIs, tool, wrapLanguageModel } from 'ai'
import type { MockLanguageModelV3 } from 'ai/test'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { govern } from '#sdk/ai/govern.ts'
import type { GovernOptions } from '#sdk/ai/governed-call.ts'
import type { Client } from '#sdk/client.ts'
import { defineJob } from '#sdk/job/define-job.ts'
import type { JobContext } from '#sdk/steps/context.ts'
import { until } from '../../support/http-yard.ts'
import { jobYard } from './job-yard.ts'
import { lastPrompt, says, scripted, wants } from './mock-model.ts'

// The AI SDK takes a while to load where the machine has other work.
vi.setConfig({ testTimeout: 120_000 })

type Policy = Parameters<Client['setPolicy']>[0]['policy']
const PRICES = { refund: 400 }

async function agentYard(policy: Partial<Policy>) {
  const yard = await jobYard()
  await yard.client.setPolicy({ agent_id: 'support', mode: 'enforce', policy: policy as Policy })
  return yard
}

/** An agent with two tools, which notes what they were called with. */
function supportAgent(model: MockLanguageModelV3, options: { refund?: GovernOptions } = {}) {
  const made: unknown[] = []
  const job = defineJob('support', {
    agent: 'support',
    retryStrategy: 'fixed',
    retryInitialDelaySecs: 0,
    maxAttempts: 2,
    run: async (context) => {
      const ai = govern(context)
      const tools = ai.tools(
        {
          look_up: tool({
            inputSchema: z.object({ order: z.number() }),
            execute: ({ order }) => {
              made.push({ look_up: order })
              return { order, amount: 300 }
            },
          }),
          refund: tool({
            inputSchema: z.object({ order: z.number(), amount: z.number().positive() }),
            execute: ({ order, amount }) => {
              made.push({ refund: order, amount })
              return `refunded ${amount}`
            },
          }),
        },
        options,
      )
      return (await answerOf(context, model, tools)).text
    },
  })
  return { job, made }
}

function answerOf(
  context: JobContext<unknown>,
  model: LanguageModel,
  tools: Parameters<typeof generateText>[0]['tools'],
) {
  const middleware = govern(context).middleware()
  return generateText({
    model: wrapLanguageModel({ model: model as MockLanguageModelV3, middleware }),
    tools: tools!,
    stopWhen: stepCountIs(5),
    prompt: 'Order 7 is broken',
    maxRetries: 0,
    abortSignal: context.signal,
  })
}

const approvalOf = async (client: Client) => {
  const { data } = await until(
    () => client.listInputs({ status: 'pending' }),
    (page) => page.data.length > 0,
  )
  return data[0]!
}

const REFUND = { tool: 'refund', input: { order: 7, amount: 300 } }
const LOOK_UP = { tool: 'look_up', input: { order: 7 } }

test('a call that the policy blocks is an error for the model, which goes on without it', async () => {
  const { client, work } = await agentYard({ blocked_tools: ['refund'] })
  const model = scripted(wants(LOOK_UP, REFUND), says('I may not refund it'))
  const { job, made } = supportAgent(model)
  await work([job]).ready
  const { run, unwrap } = await job.triggerAndWait(client, null)
  expect(unwrap()).toBe('I may not refund it')
  expect(made).toEqual([{ look_up: 7 }])
  expect(lastPrompt(model)).toContain('The policy does not allow the call of refund (tool_explicitly_blocked)')
  const { data: calls } = await client.listAgentLog({ agent_id: 'support' })
  expect(calls.map(({ tool, state, outcome }) => ({ tool, state, outcome }))).toEqual(
    expect.arrayContaining([
      { tool: 'look_up', state: 'settled', outcome: 'succeeded' },
      { tool: 'refund', state: 'blocked', outcome: null },
    ]),
  )
  const { data: records } = await client.listToolCalls({ run_id: run.id })
  expect(records.map(({ tool_name, status }) => [tool_name, status])).toEqual(
    expect.arrayContaining([
      ['gpt-5', 'completed'],
      ['look_up', 'completed'],
      ['refund', 'blocked'],
    ]),
  )
  const { data: usage } = await client.listUsage({ run_id: run.id })
  expect(usage).toMatchObject(
    Array(2).fill({
      provider: 'openai',
      model: 'gpt-5',
      prompt_tokens: 100,
      cached_tokens: 40,
      completion_tokens: 20,
      reasoning_tokens: 5,
      total_tokens: 120,
      cost_microusd: 325,
    }),
  )
})

test('a call that a person approves with other args is made with those, once, and the model is told', async () => {
  const { client, work } = await agentYard({ approval_tools: ['refund'] })
  const model = scripted(wants(LOOK_UP, REFUND), says('Refunded'))
  const { job, made } = supportAgent(model, { refund: { editable: ['amount'], assignee: 'ada' } })
  await work([job]).ready
  const { id } = await job.trigger(client, null)
  const asked = await approvalOf(client)
  expect(asked).toMatchObject({ assignee: 'ada', editable_params: ['amount'], params: REFUND.input })
  await until(
    () => client.getRun({ run_id: id }),
    ({ status }) => status === 'waiting',
  )
  await client.answerInput({ input_request_id: asked.id, approved: true, params: { amount: 100 } })
  expect((await job.wait(client, id)).unwrap()).toBe('Refunded')
  // The model is not asked again for what it had said, and the tool beside is not called again.
  expect(made).toEqual([{ look_up: 7 }, { refund: 7, amount: 100 }])
  expect(model.doGenerateCalls).toHaveLength(2)
  expect(lastPrompt(model)).toContain('changed its arguments to {\\"order\\":7,\\"amount\\":100}')
  expect(lastPrompt(model)).toContain('refunded 100')
})

test('args that an approver has made invalid never reach the tool, and a refusal is told to the model', async () => {
  const { client, work } = await agentYard({ approval_tools: ['refund'] })
  const model = scripted(wants(REFUND), wants(REFUND), says('Sorry'))
  const { job, made } = supportAgent(model, { refund: { editable: ['amount'] } })
  await work([job]).ready
  const { id } = await job.trigger(client, null)
  const first = await approvalOf(client)
  await client.answerInput({ input_request_id: first.id, approved: true, params: { amount: -1 } })
  const second = await approvalOf(client)
  expect(second.id).not.toBe(first.id)
  expect(lastPrompt(model)).toContain('The args of the approver are invalid')
  await client.answerInput({ input_request_id: second.id, approved: false })
  expect((await job.wait(client, id)).unwrap()).toBe('Sorry')
  expect(lastPrompt(model)).toContain('A person did not approve the call of refund')
  expect(made).toEqual([])
})

test('a call over the budget is an error for the model', async () => {
  const { client, work } = await agentYard({ max_spend_microusd_per_run: 1_500, prices_microusd: PRICES })
  const model = scripted(
    wants(REFUND, { tool: 'refund', input: { order: 8, amount: 1 } }, LOOK_UP),
    wants(REFUND),
    says('Broke'),
  )
  const { job, made } = supportAgent(model)
  await work([job]).ready
  // 325 for the first answer, twice 400 for refunds; 325 more leave too little for a third one.
  expect((await job.triggerAndWait(client, null)).unwrap()).toBe('Broke')
  expect(made).toHaveLength(3)
  expect(lastPrompt(model)).toContain('(max_spend_usd_per_run_exceeded)')
})

test('a model that has overdrawn its budget is not called again', async () => {
  const { client, work } = await agentYard({ max_spend_microusd_per_run: 300 })
  const model = scripted(wants(LOOK_UP), says('Too late'))
  const { job } = supportAgent(model)
  await work([job]).ready
  const { run } = await job.triggerAndWait(client, null)
  expect(run).toMatchObject({ status: 'failed', error_code: 'budget_spent', attempt: 1 })
  expect(model.doGenerateCalls).toHaveLength(1)
})

test('a model that fails is asked again by the next attempt, and what it had answered stays', async () => {
  const { client, work } = await agentYard({})
  const model = scripted(wants(LOOK_UP), new Error('overloaded'), says('Done'))
  const { job, made } = supportAgent(model)
  await work([job]).ready
  const { run } = await job.triggerAndWait(client, null)
  expect(run).toMatchObject({ status: 'completed', attempt: 2, result: 'Done' })
  expect(made).toEqual([{ look_up: 7 }])
  expect(model.doGenerateCalls).toHaveLength(3)
  expect((await client.listUsage({ run_id: run.id })).data).toHaveLength(2)
})
