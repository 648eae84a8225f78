import { MockLanguageModelV3 } from 'ai/test'
import { expect, test, vi } from 'vitest'
import { testJob } from '#sdk/testing/test-job.ts'
import { refunds } from './refunds.ts'

// The AI SDK takes a while to load where the machine has other work.
vi.setConfig({ testTimeout: 120_000 })

type Answer = Awaited<ReturnType<MockLanguageModelV3['doGenerate']>>

const USAGE = {
  inputTokens: { total: 100, noCache: 100, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 20, text: 20, reasoning: undefined },
}
const says = (text: string): Answer => ({
  content: [{ type: 'text', text }],
  finishReason: { unified: 'stop', raw: undefined },
  usage: USAGE,
  warnings: [],
})
const wants = (toolName: string, input: object): Answer => ({
  content: [{ type: 'tool-call', toolCallId: toolName, toolName, input: JSON.stringify(input) }],
  finishReason: { unified: 'tool-calls', raw: undefined },
  usage: USAGE,
  warnings: [],
})

function refundDesk() {
  const answers = [wants('find_order', { order: 7 }), wants('refund', { order: 7, amount: 300 }), says('Done.')]
  const model = new MockLanguageModelV3({
    provider: 'openai.responses',
    modelId: 'gpt-5',
    doGenerate: async () => answers.shift()!,
  })
  const refunded: { order: number; amount: number; key: string }[] = []
  const job = refunds(model, {
    findOrder: async (order) => ({ order, amount: 300 }),
    refund: async (refund) => {
      refunded.push(refund)
      return `refunded ${refund.amount}`
    },
  })
  return { job, model, refunded }
}

test('a refund waits for a person, is made with the amount that the person left, and no answer is asked for twice', async () => {
  const { job, model, refunded } = refundDesk()
  const tested = testJob(job, { decide: ({ tool }) => (tool === 'refund' ? 'asked' : 'allowed') })
  expect((await tested.run({ text: 'Order 7 is broken' })).status).toBe('waiting')
  expect(refunded).toEqual([])
  tested.answer('refund', { approved: true, params: { amount: 100 } })
  expect(await tested.resume()).toEqual({ status: 'completed', result: 'Done.' })
  expect(refunded).toMatchObject([{ order: 7, amount: 100, key: expect.any(String) }])
  expect([model.doGenerateCalls.length, tested.seen.usage.length]).toEqual([3, 3])
})

test('a refund that the policy blocks is an error for the model, which goes on', async () => {
  const { job, model, refunded } = refundDesk()
  const tested = testJob(job, { decide: ({ tool }) => (tool === 'refund' ? 'blocked' : 'allowed') })
  expect(await tested.run({ text: 'Order 7 is broken' })).toEqual({ status: 'completed', result: 'Done.' })
  expect(JSON.stringify(model.doGenerateCalls.at(-1)!.prompt)).toContain('tool_explicitly_blocked')
  expect(refunded).toEqual([])
})
