// The page that a link in a mail or a chat leads to. It is one form without scripts, outside of the console, since its
// visitor has no session; GET shows it, and only POST answers.
import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { InputAnswer } from '#agents/input-requests.sql.ts'
import { answerByLink, findLinkedQuestion, type LinkedQuestion } from '#alerts/answer-links.ts'
import type { Ctx } from '#bell/ctx.ts'
import { Refusal } from '#core/error.ts'
import { Json } from '#core/json/json.ts'
import { prettyJson } from '#core/json/json-text.ts'
import { storableText } from '#core/storable.ts'
import { BODY_BYTES_MAX } from '../input/body.ts'
import { findFlaws, parseJsonText } from '../input/json.ts'
import { pageHeaders } from '../page-headers.ts'

const FORM_TYPE = 'application/x-www-form-urlencoded'

const STYLE = `
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }
  pre, textarea { font: 14px/1.4 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
  pre { background: #8882; padding: .75rem; border-radius: .25rem; }
  textarea { width: 100%; box-sizing: border-box; min-height: 7rem; }
  button { font: inherit; padding: .5rem 1.25rem; margin: 1rem .5rem 0 0; }
  small { opacity: .75; } .problem { color: #b3261e; }
  @media (prefers-color-scheme: dark) { html { background: #111; color: #eee; } .problem { color: #f2b8b5; } }
`
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64')
const POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`

type Params = { Params: { token: string } }

export function answerRoutes(app: FastifyInstance, ctx: Ctx): void {
  // A scope of its own: no other route takes a form.
  app.register(async (pages) => {
    pages.addContentTypeParser(FORM_TYPE, { parseAs: 'string', bodyLimit: BODY_BYTES_MAX }, (_, text, done) =>
      done(null, new URLSearchParams(String(text))),
    )
    pages.get<Params>('/answer/:token', async ({ params }, reply) => {
      const found = await findLinkedQuestion(ctx, params.token)
      if (!found) return send(reply, 410, OVER)
      if (found.question.state !== 'pending') return send(reply, 410, endedPage(found))
      return send(reply, 200, questionPage(found))
    })
    pages.post<Params>('/answer/:token', async ({ params, body }, reply) => {
      const found = await findLinkedQuestion(ctx, params.token)
      if (!found) return send(reply, 410, OVER)
      const form = body instanceof URLSearchParams ? body : new URLSearchParams()
      const read = answerFrom(form, found)
      if ('problem' in read) return send(reply, 422, questionPage(found, read.problem))
      try {
        await answerByLink(ctx, found, read.answer)
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        if (error.code === 'input_over') return send(reply, 410, endedPage(found))
        return send(reply, 422, questionPage(found, error.message))
      }
      return send(reply, 200, page('Thank you', '<p>Your answer was taken. You can close this page.</p>'))
    })
  })
}

const send = (reply: FastifyReply, status: number, html: string): FastifyReply =>
  reply
    .code(status)
    .headers({ ...pageHeaders(POLICY), 'cache-control': 'private, no-store', 'x-robots-tag': 'noindex' })
    .type('text/html; charset=utf-8')
    .send(html)

function answerFrom(
  form: URLSearchParams,
  { question }: LinkedQuestion,
): { answer: InputAnswer } | { problem: string } {
  const edited = new Map<string, unknown>()
  for (const name of question.editableParams) {
    const text = form.get(`param.${name}`)
    if (text === null) continue
    const value = jsonOf(text)
    if (!value) return { problem: `${name} must be JSON, such as "text" in quotes or a number` }
    edited.set(name, value.json)
  }
  const params = Json.of(Object.fromEntries(edited))
  const said = storableText(form.get('feedback') ?? '')
  if (question.kind === 'approval') {
    const decision = form.get('decision')
    if (decision !== 'approve' && decision !== 'refuse') return { problem: 'choose Approve or Refuse' }
    return { answer: { approved: decision === 'approve', params, ...(said !== '' && { feedback: said }) } }
  }
  if (!question.schema) return said === '' ? { problem: 'write an answer' } : { answer: { feedback: said, params } }
  const feedback = jsonOf(said)
  return feedback ? { answer: { feedback: feedback.json, params } } : { problem: 'the answer must be JSON' }
}

/** Read as strictly as a body; undefined when it could not be kept. */
function jsonOf(text: string): { json: Json } | undefined {
  try {
    const { value, suspect } = parseJsonText(text, 'The answer', { here: 'any' })
    return suspect && findFlaws(value).length > 0 ? undefined : { json: value as Json }
  } catch {
    return undefined
  }
}

function questionPage({ sentTo, question }: LinkedQuestion, problem?: string): string {
  const { kind, agentId, prompt, params, editableParams, schema, expiresAt } = question
  const fixed = editableParams.reduce((rest, name) => rest.without(name), params)
  const edited = new Map(Object.entries(params.members()))
  const fields = editableParams.map(
    (name) =>
      `<p><label>${escaped(name)}, as JSON<textarea name="param.${escaped(name)}">${shown(edited.get(name))}</textarea></label></p>`,
  )
  const buttons =
    kind === 'approval'
      ? '<button name="decision" value="approve">Approve</button><button name="decision" value="refuse">Refuse</button>'
      : '<button>Answer</button>'
  return page(
    kind === 'approval' ? 'Approval needed' : 'Question',
    `${problem === undefined ? '' : `<p class="problem">${escaped(problem)}</p>`}
    <p>${escaped(prompt)}</p>
    ${fixed.text !== '{}' ? `<pre>${shown(fixed)}</pre>` : ''}
    ${schema ? `<p>The answer must be JSON of this form:</p><pre>${shown(schema)}</pre>` : ''}
    <form method="post">
      ${fields.join('')}
      <p><label>${kind === 'approval' ? 'Remark' : 'Answer'}<textarea name="feedback"></textarea></label></p>
      ${buttons}
    </form>
    <p><small>Project ${escaped(question.projectId)}${agentId === null ? '' : `, agent ${escaped(agentId)}`}.
    This link was sent to ${escaped(sentTo)}, and answers for whoever holds it.${
      expiresAt === null ? '' : ` It can be answered until ${expiresAt.toISOString()}.`
    }</small></p>`,
  )
}

const endedPage = ({ question }: LinkedQuestion): string =>
  page(
    'Nothing to answer',
    `<p>This question is ${escaped(question.state === 'pending' ? 'answered' : question.state)} already.</p>`,
  )

/** A form that is sent back must stay within its bound: what would become long by indenting it is shown in one line. */
const INDENTED_LENGTH_MAX = 96 * 1024

function shown(value: unknown): string {
  const { text } = Json.of(value)
  const indented = prettyJson(text)
  return escaped(indented.length <= INDENTED_LENGTH_MAX ? indented : text)
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)

const page = (title: string, body: string): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<style>${STYLE}</style></head><body><h1>${title}</h1>${body}</body></html>
`

const OVER = page('This link has expired', '<p>It may also never have been valid. Answer in the console instead.</p>')
