// Links that answer one question without a key. Opening one shows the question; only a form sent from that page answers
// it, so that programs which open the links of mails and chats answer nothing. A question is answered once, and so is
// its link.
import { createHash, randomBytes } from 'node:crypto'
import type { InputAnswer, InputRow } from '#agents/input-requests.sql.ts'
import { answerInput, requireInput } from '#agents/input-requests.ts'
import type { Ctx } from '#bell/ctx.ts'
import { part } from '#bell/part.ts'
import { newId } from '#postgres/id.ts'
import { findAnswerLink, insertAnswerLink } from './answer-links.sql.ts'
import type { MessageContent, Outgoing } from './channels.sql.ts'

/** Where people reach this installation; undefined where the operator has not said. */
export const publicAddressOf = part<string | undefined>(() => undefined)

const LINK_DAYS_MAX = 7
const PREFIX = 'rya_'

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest()

/** The message with a link of its own; undefined when the question is pending no more. */
export async function withAnswerLink(
  ctx: Ctx,
  { content, channel, inputRequestId }: Outgoing,
): Promise<MessageContent | undefined> {
  const question = await requireInput(ctx, channel.projectId, inputRequestId!)
  if (question.state !== 'pending') return undefined
  const address = publicAddressOf(ctx)
  if (address === undefined) return { ...content, text: `${content.text}\n\nAnswer it in the console.` }
  const token = PREFIX + randomBytes(32).toString('base64url')
  await insertAnswerLink(ctx.sql, {
    id: newId(),
    hash: hashOf(token),
    projectId: channel.projectId,
    channelId: channel.id,
    inputRequestId: question.id,
    expiresAt: question.expiresAt,
    daysMax: LINK_DAYS_MAX,
  })
  const url = `${address}/answer/${token}`
  return { ...content, text: `${content.text}\n\n${url}`, data: { ...content.data, answer_url: url } }
}

export type LinkedQuestion = { linkId: string; sentTo: string; question: InputRow }

/** Undefined for a link that is unknown or past its time. */
export async function findLinkedQuestion(ctx: Ctx, token: string): Promise<LinkedQuestion | undefined> {
  const link = await findAnswerLink(ctx.sql, hashOf(token))
  if (!link) return undefined
  const question = await requireInput(ctx, link.projectId, link.inputRequestId)
  const sentTo = [link.channelName, ...link.recipients].join(', ')
  return { linkId: link.id, sentTo, question }
}

/** In the name of the link: the log tells through which one it was answered. */
export async function answerByLink(ctx: Ctx, { linkId, question }: LinkedQuestion, answer: InputAnswer): Promise<void> {
  const actor = { type: 'user' as const, id: `answer-link:${linkId}` }
  await answerInput(ctx, { projectId: question.projectId, requestId: question.id, actor, answer })
}
