// Two duties: one looks at the rules, one sends the messages. Safe on every node at once: what a node takes is moved on
// in time by the same statement, and no other node takes it.
import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { resendInMs } from '#core/alert.ts'
import { insertQuestions } from './answer-links.sql.ts'
import { withAnswerLink } from './answer-links.ts'
import { markSent, markUnsent, type Outgoing, takeMessages } from './channels.sql.ts'
import { checkDueRules } from './check-rules.ts'
import { sendMessage } from './send-message.ts'

const QUESTIONS_MAX = 100
/** As many at once as one that hangs should not hold up. */
const MESSAGES_MAX = 20
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

export const alertMessages = (ctx: Ctx): Duty => ({
  name: 'alert-messages',
  // New messages ring; this is for those that are sent again.
  everyMs: 10_000,
  topics: ['alerts'],
  async tick() {
    const messages = await takeMessages(ctx.sql, { limit: MESSAGES_MAX, holdSecs: HOLD_SECS })
    await Promise.all(messages.map((message) => send(ctx, message)))
    return messages.length === MESSAGES_MAX ? 'again' : { inMs: undefined }
  },
})

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
