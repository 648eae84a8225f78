// Questions that go out as messages, and the links in them: whoever opens one sees the question, and answers it once.
import { expect, test } from 'vitest'
import { callerOf, codeOf, httpYard, trigger, until, untilState } from '../../support/http-yard.ts'
import { mailServer } from '../../support/servers/mail-server.ts'
import { webhookReceiver } from '../../support/servers/receiver.ts'

/** A link of the message leads to where the test's node is. */
const pathOf = (text: string): string => /\/answer\/rya_[\w-]+/.exec(text.replaceAll('=\r\n', ''))![0]

async function asking(question: object) {
  const mail = await mailServer()
  const chat = await webhookReceiver()
  const { call, address } = await httpYard({
    RUNYARD_SMTP_URL: mail.url,
    RUNYARD_MAIL_FROM: 'runyard@example.com',
    RUNYARD_PUBLIC_URL: 'https://runyard.example.com',
  })
  const channel = { name: 'approvers', questions: true }
  await call('POST', '/v1/alerts/channels', { ...channel, kind: 'email', recipients: ['ada@example.com'] })
  await call('POST', '/v1/alerts/channels', { ...channel, kind: 'slack', url: chat.url })
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const run = await trigger(call, 'j')
  const { runs } = (await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: ['default'] })).body
  const asked = await callerOf(address, runs[0].run_token)('POST', `/v1/runs/${run.id}/input-requests`, question)
  expect(asked.status, JSON.stringify(asked.body)).toBe(201)
  await until(
    async () => mail.mails.length + chat.received.length,
    (n) => n === 2,
  )
  const visit = (path: string, form?: Record<string, string>) =>
    fetch(address + path, { ...(form && { method: 'POST', body: new URLSearchParams(form) }) })
  return {
    call,
    run,
    id: asked.body.id as string,
    mail: mail.mails[0]!.text,
    chat: chat.received[0]!.body.text as string,
    visit,
  }
}

test('an approval is answered from the link in a mail, once, and opening the link answers nothing', {
  timeout: 60_000,
}, async () => {
  const { call, run, id, mail, chat, visit } = await asking({
    kind: 'approval',
    prompt: 'Send <b>100</b> letters?',
    params: { count: 100, to: 'all' },
    editable_params: ['count'],
  })
  expect(mail).toContain('To: ada@example.com')
  expect(mail).toMatch(/Subject: Approval needed/)
  expect(chat).toContain('Send &lt;b&gt;100&lt;/b&gt; letters?')
  const path = pathOf(mail)
  const opened = await visit(path)
  const html = await opened.text()
  expect([opened.status, opened.headers.get('cache-control')]).toEqual([200, 'private, no-store'])
  expect(opened.headers.get('content-security-policy')).toContain("default-src 'none'")
  expect(html).toContain('Send &#60;b&#62;100&#60;/b&#62; letters?')
  expect(html).toContain('approvers, ada@example.com')
  expect((await call('GET', `/v1/input-requests/${id}`)).body.status).toBe('pending')
  const undecided = await visit(path, {})
  expect([undecided.status, await undecided.text()]).toEqual([422, expect.stringContaining('choose Approve or Refuse')])
  const wrong = await visit(path, { decision: 'approve', 'param.count': 'ten' })
  expect([wrong.status, await wrong.text()]).toEqual([422, expect.stringContaining('count must be JSON')])
  const answered = await visit(path, { decision: 'approve', 'param.count': '10', feedback: 'only ten' })
  expect([answered.status, await answered.text()]).toEqual([200, expect.stringContaining('Thank you')])
  expect((await call('GET', `/v1/input-requests/${id}`)).body).toMatchObject({
    status: 'answered',
    answer: { approved: true, feedback: 'only ten', params: { count: 10, to: 'all' } },
    answered_by: { type: 'user', id: expect.stringMatching(/^answer-link:/) },
  })
  await untilState(call, run.id, ['queued'])
  // Used already, through whichever of its links.
  for (const used of [path, pathOf(chat)]) {
    expect((await visit(used)).status).toBe(410)
    expect((await visit(used, { decision: 'refuse' })).status).toBe(410)
  }
  expect((await visit('/answer/rya_unheard-of')).status).toBe(410)
})

test('an answer that does not meet the schema of its question is refused on the page, and can be corrected', {
  timeout: 60_000,
}, async () => {
  const schema = { type: 'object', required: ['size'], properties: { size: { type: 'integer' } } }
  const { call, id, chat, visit } = await asking({ kind: 'feedback', prompt: 'Which size?', schema })
  const path = pathOf(chat)
  expect(await (await visit(path)).text()).toContain('&#34;required&#34;')
  for (const feedback of ['', 'large', '{"size":"large"}']) expect((await visit(path, { feedback })).status).toBe(422)
  expect((await visit(path, { feedback: '{"size":3}' })).status).toBe(200)
  expect((await call('GET', `/v1/input-requests/${id}`)).body.answer.feedback).toEqual({ size: 3 })
})

test('large params can be approved, and are given back as they were written', { timeout: 60_000 }, async () => {
  const params = { amount: 1, list: Array.from({ length: 12_000 }, () => [1]), note: '<&>'.repeat(100) }
  const { call, id, chat, visit } = await asking({
    kind: 'approval',
    prompt: 'Send it?',
    params,
    editable_params: Object.keys(params),
  })
  const path = pathOf(chat)
  const html = await (await visit(path)).text()
  const fieldOf = (name: string) =>
    new RegExp(`name="param.${name}">([^<]*)<`)
      .exec(html)![1]!
      .replaceAll(/&#(\d+);/g, (_, code) => String.fromCharCode(code))
  const form = Object.fromEntries(Object.keys(params).map((name) => [`param.${name}`, fieldOf(name)]))
  for (const bad of ['"\\u0000"', '1e200000', `${'['.repeat(200)}${']'.repeat(200)}`])
    expect((await visit(path, { ...form, decision: 'approve', 'param.amount': bad })).status, bad).toBe(422)
  const sent = await visit(path, { ...form, decision: 'approve', 'param.amount': '12345678901234567890' })
  expect(sent.status).toBe(200)
  const { answer } = (await call('GET', `/v1/input-requests/${id}`)).body
  expect(answer.params).toEqual({ ...params, amount: Number('12345678901234567890') })
})

test('only who may answer questions has them sent to a channel', async () => {
  const { call, address } = await httpYard()
  const key = (await call('POST', '/v1/keys', { name: 'k', scopes: ['alerts:write'] })).body.key
  const body = { name: 'c', kind: 'slack', url: 'http://127.0.0.1:1/' }
  const weak = callerOf(address, key)
  expect(codeOf(await weak('POST', '/v1/alerts/channels', { ...body, questions: true }))).toBe('forbidden')
  expect((await weak('POST', '/v1/alerts/channels', body)).status).toBe(201)
})
