// The AI SDK on Runyard: the tools are governed by the agent's policy, and an answer of the model is paid for once.
import { generateText, type LanguageModel, stepCountIs, tool, wrapLanguageModel } from 'ai'
import { defineJob } from 'runyard'
import { govern, idempotencyKeyOf } from 'runyard/ai'
import { z } from 'zod'

export type Shop = {
  findOrder: (order: number) => Promise<{ order: number; amount: number } | null>
  /** Makes a refund once for each key. */
  refund: (refund: { order: number; amount: number; key: string }) => Promise<string>
}

/** Whatever model the AI SDK knows, such as `openai('gpt-5')`. */
export const refunds = (model: Exclude<LanguageModel, string>, shop: Shop) =>
  defineJob('refunds', {
    description: 'Answers a customer, and refunds orders as far as the policy allows.',
    payload: z.object({ text: z.string().min(1).max(20_000) }),
    agent: 'refunds',
    async run(context) {
      const ai = govern(context)
      const tools = ai.tools(
        {
          find_order: tool({
            description: 'Finds an order by its number',
            inputSchema: z.object({ order: z.number().int() }),
            execute: ({ order }) => shop.findOrder(order),
          }),
          refund: tool({
            description: 'Refunds an order',
            inputSchema: z.object({ order: z.number().int(), amount: z.number().positive() }),
            execute: (refund, options) => shop.refund({ ...refund, key: idempotencyKeyOf(options) }),
          }),
        },
        // Whoever approves a refund may change its amount.
        { refund: { editable: ['amount'] } },
      )
      const { text } = await generateText({
        model: wrapLanguageModel({
          model: model as Parameters<typeof wrapLanguageModel>[0]['model'],
          middleware: ai.middleware(),
        }),
        tools,
        stopWhen: stepCountIs(10),
        prompt: context.payload.text,
        abortSignal: context.signal,
      })
      return text
    },
  })
