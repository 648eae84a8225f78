// Receivers that fail, hang, or answer what they should not: what comes of it, and that nobody else notices.
import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { type Call, httpYard, openNode, until } from '../../support/http-yard.ts'
import { tcpServer } from '../../support/local-servers.ts'
import { webhookReceiver } from '../../support/servers/receiver.ts'

const append = (call: Call, type: string) => call('POST', '/v1/events', { type })
const webhook = async (call: Call, body: object) => (await call('POST', '/v1/webhooks', body)).body.id as string
const deliveries = async (call: Call, id: string) => (await call('GET', `/v1/webhooks/${id}/deliveries`)).body.data

/** Puts the failures of a webhook back in time, as its carrier then reads them. */
async function ageFailures(url: string, id: string, hours: number): Promise<void> {
  const sql = connect(url, { max: 1, name: 'runyard-test' })
  await sql`
    update webhooks
    set
      event_failed_at = event_failed_at - ${hours}::int * interval '1 hour',
      failing_since = failing_since - ${hours}::int * interval '1 hour'
    where id = ${id}::uuid`
  await sql.end()
}

test('an event that fails is tried again before those after it, and the webhook says so meanwhile', async () => {
  const { call } = await httpYard()
  const receiver = await webhookReceiver()
  receiver.answer(503)
  const id = await webhook(call, { url: receiver.url })
  await append(call, 'first.event')
  await append(call, 'second.event')
  const failing = await until(
    () => call('GET', `/v1/webhooks/${id}`),
    (reply) => reply.body.attempts === 1,
  )
  expect(failing.body).toMatchObject({
    status: 'active',
    failing_since: expect.any(String),
    next_attempt_at: expect.any(String),
    last_error: 'the receiver answered 503',
  })
  receiver.answer(204)
  // Any change of the webhook has it tried at once.
  await call('PATCH', `/v1/webhooks/${id}`, { name: 'mended' })
  await until(
    async () => receiver.accepted(),
    (types) => types.length === 2,
  )
  expect(receiver.received.map(({ body }) => body.type)).toEqual(['first.event', 'first.event', 'second.event'])
  const listed = await until(
    () => deliveries(call, id),
    (rows) => rows.length === 3,
  )
  expect(listed.map((it: { attempt: number; outcome: string }) => [it.attempt, it.outcome])).toEqual([
    [1, 'delivered'],
    [2, 'delivered'],
    [1, 'failed'],
  ])
  expect((await call('GET', `/v1/webhooks/${id}`)).body).toMatchObject({ attempts: 0, failing_since: null })
})

test('a receiver that hangs holds up no other webhook', async () => {
  const { call } = await httpYard()
  const hanging = await webhookReceiver()
  hanging.answer(() => {})
  const quick = await webhookReceiver()
  await webhook(call, { url: hanging.url })
  await webhook(call, { url: quick.url })
  for (let n = 0; n < 20; n++) await append(call, 'a.a')
  await until(
    async () => quick.accepted().length,
    (n) => n === 20,
  )
  expect(hanging.received).toHaveLength(1)
})

test('redirects are not followed, and a large answer to what was accepted is cut off and not sent again', async () => {
  const { call } = await httpYard()
  const other = await webhookReceiver()
  const [redirecting, chatty] = [await webhookReceiver(), await webhookReceiver()]
  redirecting.answer((response) => {
    response.writeHead(307, { location: other.url })
    response.end()
  })
  chatty.answer((response) => {
    const chunk = Buffer.alloc(1024 * 1024)
    const write = (left: number): void => {
      if (left === 0 || response.destroyed) return void response.end()
      response.write(chunk, () => write(left - 1))
    }
    write(100)
  })
  const [redirected, large] = [await webhook(call, { url: redirecting.url }), await webhook(call, { url: chatty.url })]
  await append(call, 'a.a')
  const [refused] = await until(
    () => deliveries(call, redirected),
    (rows) => rows.length === 1,
  )
  expect(refused).toMatchObject({ outcome: 'failed', status: 307, error: expect.stringContaining('not followed') })
  expect(other.received).toEqual([])
  const [accepted] = await until(
    () => deliveries(call, large),
    (rows) => rows.length === 1,
  )
  expect(accepted).toMatchObject({ outcome: 'delivered', error: expect.stringContaining('larger than 65536 bytes') })
})

test('a receiver that resets, talks nonsense or resolves to a private address only fails its own deliveries', async () => {
  const { call, url } = await httpYard()
  const resetting = await tcpServer((socket) => socket.once('data', () => socket.resetAndDestroy()))
  const nonsense = await tcpServer((socket) => socket.once('data', () => socket.end('220 smtp ready\r\n')))
  const good = await webhookReceiver()
  const bad = [await webhook(call, { url: resetting.url }), await webhook(call, { url: nonsense.url })]
  await webhook(call, { url: good.url })
  await append(call, 'a.a')
  await until(
    async () => good.accepted(),
    (types) => types.length === 1,
  )
  for (const id of bad) {
    const [failed] = await until(
      () => deliveries(call, id),
      (rows) => rows.length === 1,
    )
    expect(failed).toMatchObject({ outcome: 'failed', status: null, error: expect.any(String) })
  }
  // Where private addresses are not allowed, what was stored while they were is refused at the dial.
  const stored = await webhook(call, { url: good.url, types: ['private.event'] })
  const guarded = await openNode(url, { RUNYARD_EGRESS: 'public' })
  const tested = await fetch(`${guarded.address}/v1/webhooks/${stored}/test`, {
    method: 'POST',
    headers: { authorization: 'Bearer test-key-of-the-operator' },
  })
  expect(await tested.json()).toMatchObject({ outcome: 'failed', error: expect.stringContaining('refused_address') })
})

test('after a day an event is given up, which is an event, and the next one is delivered', async () => {
  const { call, url } = await httpYard()
  const receiver = await webhookReceiver()
  receiver.answer((response, { body }) => {
    response.statusCode = body.type === 'poison.event' ? 500 : 204
    response.end()
  })
  const id = await webhook(call, { url: receiver.url })
  await append(call, 'poison.event')
  await append(call, 'next.event')
  await until(
    () => call('GET', `/v1/webhooks/${id}`),
    (reply) => reply.body.attempts === 1,
  )
  await ageFailures(url, id, 25)
  await call('PATCH', `/v1/webhooks/${id}`, { name: 'again' })
  await until(
    async () => receiver.received.at(-1)?.body.type,
    (type) => type === 'next.event',
  )
  const [told] = (await call('GET', '/v1/events?type=webhook.delivery_failed')).body.data
  expect(told).toMatchObject({ resource_id: id, data: { event_type: 'poison.event', attempts: 2 } })
  const listed = await until(
    () => deliveries(call, id),
    (rows) => rows.length === 3,
  )
  expect(listed.map(({ outcome }: { outcome: string }) => outcome)).toEqual(['delivered', 'given_up', 'failed'])
})

test('a webhook that failed for days, or whose receiver is gone, is disabled with an event until it is resumed', async () => {
  const { call, url } = await httpYard()
  const [failing, gone] = [await webhookReceiver(), await webhookReceiver()]
  failing.answer(500)
  gone.answer(410)
  const [one, other] = [
    await webhook(call, { url: failing.url, disable_after_days: 2 }),
    await webhook(call, { url: gone.url }),
  ]
  await append(call, 'a.a')
  await until(
    () => call('GET', `/v1/webhooks/${one}`),
    (reply) => reply.body.attempts === 1,
  )
  await ageFailures(url, one, 49)
  await call('PATCH', `/v1/webhooks/${one}`, { name: 'again' })
  const disabled = (id: string) =>
    until(
      () => call('GET', `/v1/webhooks/${id}`),
      (it) => it.body.status === 'disabled',
    )
  expect((await disabled(one)).body).toMatchObject({ disabled_reason: 'failing' })
  expect((await disabled(other)).body).toMatchObject({ disabled_reason: 'gone' })
  const told = (await call('GET', '/v1/events?type=webhook.disabled')).body.data
  expect(told.map((it: { resource_id: string }) => it.resource_id).sort()).toEqual([one, other].sort())
  failing.answer(204)
  expect((await call('POST', `/v1/webhooks/${one}/resume`)).body).toMatchObject({ status: 'active', attempts: 0 })
  await until(
    async () => failing.accepted(),
    (types) => types.length === 1,
  )
})
