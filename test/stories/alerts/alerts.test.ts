// Alerts as operators meet them: a rule that begins to hold tells every channel once, until it is over.
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { bury, firing, rule } from '../../support/builders/alerts.ts'
import { callerOf, codeOf, httpYard, trigger, until } from '../../support/http-yard.ts'
import { mailServer } from '../../support/servers/mail-server.ts'
import { webhookReceiver } from '../../support/servers/receiver.ts'

test('a dead letter becomes a webhook, a chat message and a mail within five seconds, and a thousand more are no other', {
  timeout: 120_000,
}, async () => {
  const mail = await mailServer()
  const { call } = await httpYard({ RUNYARD_SMTP_URL: mail.url, RUNYARD_MAIL_FROM: 'Runyard <runyard@example.com>' })
  const [hook, chat] = [await webhookReceiver(), await webhookReceiver()]
  const channel = async (body: object) => (await call('POST', '/v1/alerts/channels', { name: 'c', ...body })).body
  const channels = [
    await channel({ kind: 'webhook', url: hook.url }),
    await channel({ kind: 'slack', url: chat.url }),
    await channel({ kind: 'email', recipients: ['ada@example.com', 'bob@example.com'] }),
  ]
  const id = await rule(call, {
    name: 'Invoices & <friends>',
    kind: 'dead_letters',
    job: 'invoice',
    channel_ids: channels.map((it) => it.id),
  })
  await bury(call, 'other', 1)
  await bury(call, 'invoice', 1)
  const buriedMs = performance.now()
  await until(
    async () => [hook.received.length, chat.received.length, mail.mails.length],
    (all) => all.every((n) => n === 1),
  )
  expect(performance.now() - buriedMs).toBeLessThan(5_000)
  expect(
    new Webhook(channels[0].signing_secret).verify(hook.received[0]!.text, hook.received[0]!.headers as never),
  ).toMatchObject({
    type: 'alert.fired',
    data: { rule_id: id, kind: 'dead_letters', value: 1, threshold: 1, title: 'Alert: Invoices & <friends>' },
  })
  expect(chat.received[0]!.body.text).toContain(
    '*Alert: Invoices &amp; &lt;friends&gt;*\n1 dead letter within 5 min (invoice)',
  )
  expect(mail.mails[0]).toMatchObject({ from: 'runyard@example.com', to: ['ada@example.com', 'bob@example.com'] })
  expect(mail.mails[0]!.text).toMatch(/Subject: Alert: Invoices & <friends>/)
  await bury(call, 'invoice', 1_000)
  await until(
    () => call('GET', '/v1/alerts?firing=true'),
    (reply) => reply.body.data[0]?.peak === 1_001,
    20_000,
  )
  expect([hook.received.length, chat.received.length, mail.mails.length]).toEqual([1, 1, 1])
  const told = (await call('GET', '/v1/events?type=alert.fired')).body.data
  expect(told).toMatchObject([{ resource_type: 'alert_rule', resource_id: id, actor_type: 'system' }])
})

test('an alert is told again while it holds only as often as asked, and its end once', {
  timeout: 60_000,
}, async () => {
  const { call } = await httpYard()
  const chat = await webhookReceiver()
  const made = (await call('POST', '/v1/alerts/channels', { name: 'c', kind: 'slack', url: chat.url })).body
  const id = await rule(call, { name: 'Bot is off', kind: 'agent_disabled', agent: 'bot', channel_ids: [made.id] })
  await call('POST', '/v1/agents/bot/disable', { reason: 'misbehaves' })
  await firing(call, id, true)
  await call('POST', '/v1/agents/bot/enable', {})
  await firing(call, id, false)
  await until(
    async () => chat.received.length,
    (n) => n === 2,
  )
  expect(chat.received.map(({ body }) => body.text.split('\n')[0])).toEqual([
    '*Alert: Bot is off*',
    '*Resolved: Bot is off*',
  ])
  const [alert] = (await call('GET', `/v1/alerts?rule_id=${id}`)).body.data
  expect(alert).toMatchObject({ kind: 'agent_disabled', resolved_at: expect.any(String), peak: 1 })
  const messages = (await call('GET', `/v1/alerts/channels/${made.id}/messages`)).body.data
  expect(messages.map((it: { type: string; attempts: number }) => [it.type, it.attempts])).toEqual([
    ['alert.resolved', 1],
    ['alert.fired', 1],
  ])
})

test('a silenced rule tells nobody until the silence ends, and a disabled one ends its alert', {
  timeout: 60_000,
}, async () => {
  const { call } = await httpYard()
  const chat = await webhookReceiver()
  const made = (await call('POST', '/v1/alerts/channels', { name: 'c', kind: 'slack', url: chat.url })).body
  const id = await rule(call, { kind: 'agent_disabled', channel_ids: [made.id] })
  const silenced_until = new Date(Date.now() + 3_600_000).toISOString()
  await call('PATCH', `/v1/alerts/rules/${id}`, { silenced_until })
  await call('POST', '/v1/agents/bot/disable', {})
  await firing(call, id, true)
  expect((await call('GET', '/v1/alerts')).body.data).toMatchObject([
    { told_at: null, summary: '1 agent is switched off: bot' },
  ])
  expect(chat.received).toEqual([])
  expect((await call('PATCH', `/v1/alerts/rules/${id}`, { silenced_until: null })).body.silenced_until).toBeNull()
  await until(
    async () => chat.received.length,
    (n) => n === 1,
  )
  expect((await call('PATCH', `/v1/alerts/rules/${id}`, { enabled: false })).body).toMatchObject({ firing: false })
  expect((await call('GET', '/v1/alerts?firing=true')).body.data).toEqual([])
})

test('rules count waiting runs that nobody claims, failures among runs, unanswered questions and budgets', {
  timeout: 90_000,
}, async () => {
  const { call } = await httpYard()
  await bury(call, 'failing', 4)
  await call('POST', '/v1/jobs', { slug: 'waiting', execution: 'worker', queue: 'lonely' })
  await trigger(call, 'waiting')
  const policy = { max_spend_microusd_per_day: 1_000, approval_tools: ['grave'] }
  await call('PUT', '/v1/agents/bot/policy', { policy })
  await call('POST', '/v1/agents/bot/authorize', { tool: 'grave' })
  await call('POST', '/v1/agents/bot/authorize', { tool: 'light', cost_microusd: 900 })
  const age = await rule(call, { kind: 'queue_age', queue: 'lonely', threshold: 0.01 })
  const nobody = await rule(call, { kind: 'no_worker', queue: 'lonely', threshold: 0.01 })
  const rate = await rule(call, { kind: 'failure_rate', job: 'failing', min_runs: 4, threshold: 50 })
  const few = await rule(call, { kind: 'failure_rate', job: 'failing', min_runs: 5 })
  const question = await rule(call, { kind: 'question_unanswered', threshold: 0.01 })
  const budget = await rule(call, { kind: 'budget', threshold: 80 })
  const full = await rule(call, { kind: 'budget', threshold: 100 })
  const seals = await rule(call, { kind: 'seals', threshold: 1_000 })
  for (const id of [age, nobody, rate, question, budget]) await firing(call, id, true, 20_000)
  const values = async (id: string) => (await call('GET', `/v1/alerts/rules/${id}`)).body
  expect([(await values(rate)).value, (await values(budget)).value]).toEqual([100, 90])
  for (const id of [few, full, seals]) {
    const looked = await until(
      () => values(id),
      (it) => it.checked_at !== null,
      20_000,
    )
    expect(looked).toMatchObject({ firing: false, error: null })
  }
  expect((await values(few)).value).toBeNull()
  const [told] = (await call('GET', `/v1/alerts?rule_id=${budget}`)).body.data
  expect(told.summary).toBe('90% of a daily budget is spent: agent bot 90%')
  // Once somebody works on it, neither its age nor its loneliness holds.
  await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: ['lonely'], limit: 1 })
  for (const id of [age, nobody]) await firing(call, id, false, 20_000)
})

test('a mail server that refuses is tried again, and says so meanwhile', { timeout: 60_000 }, async () => {
  const mail = await mailServer()
  mail.refuse('the mailbox is full')
  const { call } = await httpYard({ RUNYARD_SMTP_URL: mail.url, RUNYARD_MAIL_FROM: 'runyard@example.com' })
  const made = (await call('POST', '/v1/alerts/channels', { name: 'c', kind: 'email', recipients: ['a@example.com'] }))
    .body
  const tested = await call('POST', `/v1/alerts/channels/${made.id}/test`)
  expect(tested.body).toMatchObject({ sent: false, error: expect.stringContaining('the mailbox is full') })
  await rule(call, { kind: 'agent_disabled', channel_ids: [made.id] })
  await call('POST', '/v1/agents/bot/disable', {})
  const messages = () => call('GET', `/v1/alerts/channels/${made.id}/messages`)
  await until(messages, (reply) => reply.body.data[0]?.attempts === 1 && reply.body.data[0].error !== null)
  mail.refuse(undefined)
  await until(messages, (reply) => reply.body.data[0].sent_at !== null, 20_000)
  expect(mail.mails).toHaveLength(1)
  expect((await call('POST', `/v1/alerts/channels/${made.id}/test`)).body).toEqual({ sent: true, error: null })
})

test('what is wrong with a rule or a channel is said by field, and both are visible in their project only', {
  timeout: 60_000,
}, async () => {
  const { call, address } = await httpYard()
  const wrong = async (path: string, body: object) =>
    (await call('POST', `/v1/alerts/${path}`, body)).body.error.details.fields[0].field
  const good = { name: 'r', kind: 'dead_letters' }
  const unknown = '01900000-0000-7000-8000-000000000000'
  expect([
    await wrong('rules', { name: 'r' }),
    await wrong('rules', { ...good, kind: 'unheard_of' }),
    await wrong('rules', { ...good, threshold: 0 }),
    await wrong('rules', { ...good, queue: 'q' }),
    await wrong('rules', { ...good, channel_ids: [unknown] }),
    await wrong('channels', { name: 'c', kind: 'slack' }),
    await wrong('channels', { name: 'c', kind: 'email', recipients: ['a@example.com'] }),
    await wrong('channels', { name: 'c', kind: 'email', recipients: ['a@example.com\r\nBcc: b@example.com'] }),
    await wrong('channels', { name: 'c', kind: 'webhook', url: 'gopher://example.com/' }),
    await wrong('channels', { name: 'c', kind: 'slack', url: 'http://127.0.0.1:1/', recipients: ['a@example.com'] }),
  ]).toEqual([
    'kind',
    'kind',
    'threshold',
    'queue',
    'channel_ids[0]',
    'url',
    'kind',
    'recipients[0]',
    'url',
    'recipients',
  ])
  const channel = (
    await call('POST', '/v1/alerts/channels', { name: 'c', kind: 'slack', url: 'http://127.0.0.1:1/secret' })
  ).body
  expect([channel.url, channel.signing_secret]).toEqual(['http://127.0.0.1:1/…', null])
  const id = await rule(call, { ...good, channel_ids: [channel.id] })
  const stranger = callerOf(address, (await call('POST', '/v1/projects', { id: 'stranger' })).body.key)
  expect([
    codeOf(await stranger('GET', `/v1/alerts/rules/${id}`)),
    codeOf(await stranger('POST', `/v1/alerts/channels/${channel.id}/test`)),
    (await stranger('POST', '/v1/alerts/rules', { ...good, channel_ids: [channel.id] })).body.error.details.fields[0]
      .field,
    (await stranger('GET', '/v1/alerts/rules')).body.data.length +
      (await stranger('GET', '/v1/alerts/channels')).body.data.length,
  ]).toEqual(['alert_rule_not_found', 'alert_channel_not_found', 'channel_ids[0]', 0])
  expect((await call('DELETE', `/v1/alerts/channels/${channel.id}`)).status).toBe(204)
  const logged = JSON.stringify((await call('GET', '/v1/events?resource_type=alert_channel')).body.data)
  expect(logged).toContain('alert_channel.deleted')
  expect(logged).not.toContain('/secret')
  expect((await call('GET', `/v1/alerts/rules/${id}`)).body.channel_ids).toEqual([])
  expect((await call('DELETE', `/v1/alerts/rules/${id}`)).status).toBe(204)
})
