// One try to send one message to one channel. Answers why it could not be sent, or undefined.
import { signatureHeaders } from '#access/signatures/signature.ts'
import type { Ctx } from '#bell/ctx.ts'
import { cutText } from '#core/storable.ts'
import { postOf } from '#dispatch/post.ts'
import { CLOUD_EVENT_TYPE, cloudEventText, sourceOf } from '#webhooks/cloud-event.ts'
import type { ChannelKind, ChannelRow, MessageContent } from './channels.sql.ts'
import { mailerOf } from './mailer.ts'

const TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 16 * 1024
const ERROR_LENGTH_MAX = 500
const TITLE_LENGTH_MAX = 200
const TEXT_LENGTH_MAX = 3_000

type Sending = { id: string; channel: ChannelRow; content: MessageContent }

const SENDS: Readonly<Record<ChannelKind, (ctx: Ctx, it: Sending) => Promise<string | undefined>>> = {
  webhook(ctx, { id, channel, content }) {
    const nowMs = ctx.nowMs()
    const { type, title, text } = content
    const time = new Date(nowMs).toISOString()
    const data = { title, text, ...content.data }
    const body = cloudEventText({ id, source: sourceOf(channel.projectId), type, time, data })
    const signed = signatureHeaders({ secret: channel.signingSecret!, id, body, nowMs })
    return post(ctx, channel, { headers: { 'content-type': CLOUD_EVENT_TYPE, ...signed }, body })
  },
  slack(ctx, { channel, content }) {
    const text = `*${slackText(content.title, TITLE_LENGTH_MAX)}*\n${slackText(content.text, TEXT_LENGTH_MAX)}`
    return post(ctx, channel, {
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify({ text }),
    })
  },
  async email(ctx, { id, channel, content }) {
    const mailer = mailerOf(ctx)
    if (!mailer) return 'RUNYARD_SMTP_URL is not set on the node that sends'
    try {
      const subject = cutText(content.title.replace(/\s+/g, ' '), TITLE_LENGTH_MAX)
      await mailer.send({ to: channel.recipients, subject, text: `${content.text}\n`, id })
      return undefined
    } catch (error) {
      return cutText((error as Error).message, ERROR_LENGTH_MAX)
    }
  },
}

export const sendMessage = (ctx: Ctx, it: Sending): Promise<string | undefined> => SENDS[it.channel.kind](ctx, it)

/** Slack reads these three as markup: names that clients chose must not mention anybody or hide a link. */
const slackText = (text: string, lengthMax: number): string =>
  cutText(text, lengthMax).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

async function post(
  ctx: Ctx,
  channel: ChannelRow,
  { headers, body }: { headers: Record<string, string>; body: string },
): Promise<string | undefined> {
  const outcome = await postOf(ctx)({
    url: channel.url!,
    headers: { 'user-agent': 'Runyard/1', ...headers },
    body,
    timeoutMs: TIMEOUT_MS,
    resultBytesMax: ANSWER_BYTES_MAX,
  })
  if (outcome.kind === 'failed') {
    // Only a success is judged by its size.
    return outcome.reason === 'body_too_large' ? undefined : cutText(outcome.message, ERROR_LENGTH_MAX)
  }
  const { status, bodyText } = outcome
  if (status >= 200 && status < 300) return undefined
  return cutText(`the receiver answered ${status}${bodyText ? `: ${bodyText}` : ''}`, ERROR_LENGTH_MAX)
}
