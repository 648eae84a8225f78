// The job: answers a customer's message. It classifies the message, looks up the order, drafts a reply, asks a person about
// what costs money, and sends what that person has left of the draft.
import { appendFile } from 'node:fs/promises'
import { AttemptFailed, defineJob } from 'runyard'
import { z } from 'zod'
import { classify } from './classify.ts'
import { type Order, readOrders } from './orders.ts'

export type SupportOptions = {
  /** File with the orders, as JSON. */
  orders: string
  /** File that replies are appended to, a JSON line for each. */
  outbox: string
}

const HOURS_TO_ANSWER = 4

export const support = ({ orders, outbox }: SupportOptions) =>
  defineJob('support', {
    description: 'Answers a message of a customer, and asks a person before it promises money.',
    payload: z.strictObject({ from: z.email(), text: z.string().min(1).max(20_000) }),
    result: z.object({ sent: z.boolean(), kind: z.string() }),
    maxAttempts: 5,
    async run({ payload: { from, text }, step, ask, stream, progress }) {
      const { kind, orderId } = await step('classify', () => classify(text))
      const order = await step(
        'look up',
        async () => (await readOrders(orders)).find(({ id }) => id === orderId) ?? null,
      )
      if (order && order.customer !== from) {
        throw new AttemptFailed(`order ${order.id} does not belong to ${from}`, { code: 'not_yours', retryable: false })
      }
      await progress(50, `a ${kind} about ${order ? `order ${order.id}` : 'no order'}`)
      const draft = await step('draft', () => stream('draft').pipe(draftOf(kind, order)))
      const reply = kind === 'refund' ? await approved(draft, order) : draft
      if (reply === undefined) return { sent: false, kind }
      await step('send', ({ idempotencyKey }) =>
        appendFile(outbox, `${JSON.stringify({ id: idempotencyKey, to: from, text: reply })}\n`),
      )
      return { sent: true, kind }

      async function approved(text: string, about: Order | null): Promise<string | undefined> {
        const answer = await ask('approve', {
          prompt: `Refund ${about ? `${about.total} EUR for order ${about.id}` : 'an unknown order'}?`,
          params: { text, order: about },
          editable: ['text'],
          expiresInSecs: HOURS_TO_ANSWER * 3600,
          onExpiry: { approved: false },
        })
        return answer.approved ? String(answer.params.text) : undefined
      }
    },
  })

function* draftOf(kind: string, order: Order | null): Generator<string> {
  yield 'Thank you for your message. '
  if (!order) yield 'Please tell us the number of your order, and we will look into it.'
  else if (kind === 'refund') yield `We will refund ${order.total} EUR for order ${order.id} within three days.`
  else yield `Order ${order.id} is ${order.status}.`
}
