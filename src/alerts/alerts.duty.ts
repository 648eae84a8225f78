// Three duties: one looks at the rules, one at what takes longer, one sends the messages. Safe on every node at once: what a node takes is moved on
// in time by the same statement, and no other node takes it.
import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { resendInMs } from '#core/alert.ts'
import { insertQuestions } from './answer-links.sql.ts'
import { withAnswerLink } from './answer-links.ts'
import { markSent, markUnsent, type Outgoing, takeMessages } from './channels.sql.ts'
import { checkDueRules } from './check-rules.ts'
import { checkNextSeals } from './check-seals.ts'
import { sendMessage } from './send-message.ts'

const QUESTIONS_MAX = 100
/** Messages that a node sends at once. */
const MESSAGES_MAX = 20
/** A look for others while some are still being sent, since a receiver may take its time. */
const LOOK_MS = 1_000
/** Longer than sending one may take. */
const HOLD_SECS = 60

export const alerts = (ctx: Ctx): Duty => ({
  name: 'alerts',
  // A message is to go out within five seconds; an idle node is to ask its database little.
  everyMs: 3_000,
  topics: ['inputs'],
  async tick() {
    const asked = await insertQuestions(ctx.sql, QUESTIONS_MAX)
    if (asked > 0) ctx.ring(['alerts'])
    const more = await checkDueRules(ctx)
    return more || asked === QUESTIONS_MAX ? 'again' : { inMs: undefined }
  },
})

/** Logs are long: the other rules do not wait for it. */
export const sealChecks = (ctx: Ctx): Duty => ({
  name: 'seal-checks',
  everyMs: 5_000,
  tick: async () => ((await checkNextSeals(ctx)) ? 'again' : { inMs: undefined }),
})

export function alertMessages(ctx: Ctx): Duty {
  /** By message: the channel it goes to, and when it is through. A channel that hangs holds up no other. */
  const underWay = new Map<string, { channelId: string; done: Promise<void> }>()

  function begin(message: Outgoing): void {
    const done = send(ctx, message)
      .catch((error: unknown) =>
        ctx.log.error(
          { err: error, message: message.id },
          'a message of an alert could not be sent; it will be retried',
        ),
      )
      .finally(() => underWay.delete(message.id))
    underWay.set(message.id, { channelId: message.channel.id, done })
  }

  return {
    name: 'alert-messages',
    // New messages ring; this is for those that are sent again.
    everyMs: 10_000,
    topics: ['alerts'],
    async tick(signal) {
      const except = [...underWay.values()].map(({ channelId }) => channelId)
      const limit = MESSAGES_MAX - underWay.size
      const messages = limit > 0 ? await takeMessages(ctx.sql, { limit, holdSecs: HOLD_SECS, except }) : []
      for (const message of messages) begin(message)
      if (underWay.size === 0) return { inMs: undefined }
      const all = [...underWay.values()].map(({ done }) => done)
      if (signal.aborted) await Promise.all(all)
      else await Promise.race([...all, waitFor(ctx, LOOK_MS, signal)])
      return 'again'
    },
  }
}

async function waitFor(ctx: Ctx, ms: number, signal: AbortSignal): Promise<void> {
  const listening = ctx.listen(['alerts'])
  await listening.rung(ms, signal).finally(listening.close)
}

async function send(ctx: Ctx, message: Outgoing): Promise<void> {
  const content = message.inputRequestId === null ? message.content : await withAnswerLink(ctx, message)
  // Answered meanwhile: nobody need be asked.
  const error = content && (await sendMessage(ctx, { ...message, content }))
  if (error === undefined) return void (await markSent(ctx.sql, message.id))
  const inMs = resendInMs(message)
  const said = { message: message.id, channel: message.channel.id, error }
  if (inMs === undefined) ctx.log.warn(said, 'a message of an alert is given up')
  await markUnsent(ctx.sql, message.id, { error, inMs })
}
