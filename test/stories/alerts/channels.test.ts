// Channels that do not take their messages at once.
import { expect, test } from 'vitest'
import { bury, firing, rule } from '../../support/builders/alerts.ts'
import { httpYard, until } from '../../support/http-yard.ts'
import { webhookReceiver } from '../../support/servers/receiver.ts'

test('a channel that hangs holds up no other, whatever waits for it', { timeout: 60_000 }, async () => {
  const { call } = await httpYard()
  const [hanging, prompt] = [await webhookReceiver(), await webhookReceiver()]
  hanging.answer(() => {})
  const channel = async (url: string) =>
    (await call('POST', '/v1/alerts/channels', { name: 'c', kind: 'webhook', url })).body.id
  const [stuck, quick] = [await channel(hanging.url), await channel(prompt.url)]
  // More than a node sends at once.
  for (let n = 0; n < 30; n++) await rule(call, { kind: 'dead_letters', job: 'stuck', channel_ids: [stuck] })
  await bury(call, 'stuck', 1)
  await until(
    async () => hanging.received.length,
    (n) => n > 0,
  )
  await rule(call, { kind: 'dead_letters', job: 'quick', channel_ids: [quick] })
  await bury(call, 'quick', 1)
  await until(
    async () => prompt.received.length,
    (n) => n === 1,
    // A hanging receiver is given up after ten seconds.
    9_000,
  )
})

test('a message that could not be sent before the alert ended is not sent after the news of its end', {
  timeout: 60_000,
}, async () => {
  const { call } = await httpYard()
  const receiver = await webhookReceiver()
  receiver.answer((response) => {
    response.statusCode = 503
    response.end()
  })
  const url = receiver.url
  const { id: channelId } = (await call('POST', '/v1/alerts/channels', { name: 'c', kind: 'webhook', url })).body
  await call('PUT', '/v1/agents/bot', {})
  await call('POST', '/v1/agents/bot/disable', { reason: 'test' })
  const id = await rule(call, { kind: 'agent_disabled', channel_ids: [channelId] })
  await until(
    async () => receiver.received.length,
    (n) => n >= 1,
  )
  await call('POST', '/v1/agents/bot/enable')
  receiver.answer((response) => response.end())
  await until(
    async () => receiver.received.at(-1)!.body.type,
    (type) => type === 'alert.resolved',
  )
  await firing(call, id, false)
  const { data } = (await call('GET', `/v1/alerts/channels/${channelId}/messages`)).body
  expect(data.map((it: { type: string; sent_at: string | null }) => [it.type, it.sent_at !== null])).toEqual([
    ['alert.resolved', true],
    ['alert.fired', false],
  ])
  expect(data[1].given_up_at).toEqual(expect.any(String))
})
