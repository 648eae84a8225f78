// Webhooks as their owners meet them: what is sent, to whom, signed how, and what they may change.
import { Webhook } from 'standardwebhooks'
import { describe, expect, test } from 'vitest'
import { callerOf, codeOf, httpYard, openNode, trigger, until } from '../../support/http-yard.ts'
import { webhookReceiver } from '../../support/servers/receiver.ts'

const append = (call: Awaited<ReturnType<typeof httpYard>>['call'], type: string, more: object = {}) =>
  call('POST', '/v1/events', { type, ...more })

describe('a webhook', () => {
  test('is sent events as signed CloudEvents with their causes, in the order of the log', async () => {
    const { call } = await httpYard()
    const receiver = await webhookReceiver()
    const made = await call('POST', '/v1/webhooks', { name: 'mine', url: receiver.url })
    expect(made).toMatchObject({ status: 201, body: { status: 'active', types: [], position: expect.any(Number) } })
    const first = (await append(call, 'order.placed', { resource_type: 'order', resource_id: 'o 1' })).body
    await append(call, 'order.paid', { causation_id: first.id, correlation_id: 'chain' })
    await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
    const run = await trigger(call, 'j')
    await until(
      async () => receiver.received.length,
      (n) => n >= 4,
    )
    const logged = (await call('GET', '/v1/events?order=asc')).body.data
    expect(receiver.received.map(({ body }) => body.id)).toEqual(
      logged.filter(({ type }: { type: string }) => !type.startsWith('webhook.')).map(({ id }: { id: string }) => id),
    )
    const [placed, paid, , created] = receiver.received
    expect(placed!.headers['content-type']).toMatch(/^application\/cloudevents\+json/)
    expect(new Webhook(made.body.signing_secret).verify(placed!.text, placed!.headers as never)).toMatchObject({
      specversion: '1.0',
      id: first.id,
      source: '/v1/projects/default',
      type: 'order.placed',
      subject: 'order/o 1',
      position: String(first.position),
    })
    expect(placed!.headers['webhook-id']).toBe(first.id)
    expect(paid!.body).toMatchObject({ correlationid: 'chain', causationid: first.id })
    expect(created!.body).toMatchObject({ type: 'run.created', runid: run.id, subject: `run/${run.id}` })
    expect(created!.body.data).toEqual((await call('GET', `/v1/events/${created!.body.id}`)).body)
  })

  test('is sent only what all of its conditions hold for', async () => {
    const { call } = await httpYard()
    const receiver = await webhookReceiver()
    await call('POST', '/v1/jobs', { slug: 'wanted', execution: 'worker' })
    await call('POST', '/v1/jobs', { slug: 'other', execution: 'worker' })
    const filter = { types: ['run.*'], jobs: ['wanted'], states: ['canceled'], tags: { tier: 'gold', owner: null } }
    await call('POST', '/v1/webhooks', { url: receiver.url, ...filter })
    const gold = { tags: { tier: 'gold', owner: 'ada' } }
    const runs = [
      await trigger(call, 'wanted', gold),
      await trigger(call, 'wanted', { tags: { tier: 'gold' } }),
      await trigger(call, 'other', gold),
      await trigger(call, 'wanted', gold),
    ]
    for (const { id } of runs) await call('DELETE', `/v1/runs/${id}`)
    await until(
      async () => receiver.received.length,
      (n) => n >= 2,
    )
    expect(receiver.received.map(({ body }) => [body.type, body.runid])).toEqual([
      ['run.canceled', runs[0].id],
      ['run.canceled', runs[3].id],
    ])
  })

  test('filters by agents and by prefixes of types, and never gets events about webhooks', async () => {
    const { call } = await httpYard()
    const [byAgent, byPrefix, all] = [await webhookReceiver(), await webhookReceiver(), await webhookReceiver()]
    await call('POST', '/v1/webhooks', { url: byAgent.url, agents: ['bot'] })
    await call('POST', '/v1/webhooks', { url: byPrefix.url, types: ['a.b.*'] })
    await call('POST', '/v1/webhooks', { url: all.url })
    await append(call, 'a.b')
    await append(call, 'a.bc')
    await append(call, 'a.b.c', { agent_id: 'bot' })
    await append(call, 'webhook.forged')
    await append(call, 'the.end', { agent_id: 'bot' })
    await until(
      async () => all.accepted(),
      (types) => types.includes('the.end'),
    )
    await until(
      async () => byAgent.accepted(),
      (types) => types.includes('the.end'),
    )
    await until(
      async () => byPrefix.accepted(),
      (types) => types.length > 0,
    )
    expect(all.accepted()).toEqual(['a.b', 'a.bc', 'a.b.c', 'the.end'])
    expect(byAgent.accepted()).toEqual(['a.b.c', 'the.end'])
    expect(byPrefix.accepted()).toEqual(['a.b.c'])
  })

  test('signs with the old secret beside the new one until the grace is over', async () => {
    const { call } = await httpYard()
    const receiver = await webhookReceiver()
    const made = (await call('POST', '/v1/webhooks', { url: receiver.url })).body
    const rotated = (await call('POST', `/v1/webhooks/${made.id}/rotate`, { grace_secs: 3600 })).body
    expect(rotated.signing_secret).not.toBe(made.signing_secret)
    expect(rotated.old_secret_until).toEqual(expect.any(String))
    await append(call, 'a.a')
    await until(
      async () => receiver.received.length,
      (n) => n === 1,
    )
    const verifies = (secret: string) => {
      const last = receiver.received.at(-1)!
      try {
        new Webhook(secret).verify(last.text, last.headers as never)
        return true
      } catch {
        return false
      }
    }
    expect([made, rotated].map(({ signing_secret }) => verifies(signing_secret))).toEqual([true, true])
    const again = (await call('POST', `/v1/webhooks/${made.id}/rotate`, { grace_secs: 0 })).body
    await append(call, 'b.b')
    await until(
      async () => receiver.received.length,
      (n) => n === 2,
    )
    expect([made, rotated, again].map(({ signing_secret }) => verifies(signing_secret))).toEqual([false, false, true])
    await call('POST', `/v1/webhooks/${made.id}/rotate`, { grace_secs: 1 })
    await until(
      async () => {
        const { length } = receiver.received
        await append(call, 'c.c')
        await until(
          async () => receiver.received.length,
          (n) => n > length,
        )
        return verifies(again.signing_secret)
      },
      (isValid) => !isValid,
    )
  })

  test('that is paused gets nothing, and everything when it is resumed', async () => {
    const { call } = await httpYard()
    const receiver = await webhookReceiver()
    const { id } = (await call('POST', '/v1/webhooks', { url: receiver.url })).body
    await append(call, 'before.pause')
    await until(
      async () => receiver.accepted(),
      (types) => types.length === 1,
    )
    // Saved, so that it is not sent once more.
    await until(
      () => call('GET', `/v1/webhooks/${id}/deliveries`),
      ({ body }) => body.data.length === 1,
    )
    expect((await call('POST', `/v1/webhooks/${id}/pause`)).body.status).toBe('paused')
    // Read again by its carrier once another webhook has been given what comes next.
    const witness = await webhookReceiver()
    await call('POST', '/v1/webhooks', { url: witness.url })
    await append(call, 'during.pause')
    await until(
      async () => witness.accepted(),
      (types) => types.length === 1,
    )
    expect(receiver.accepted()).toEqual(['before.pause'])
    expect((await call('POST', `/v1/webhooks/${id}/resume`)).body.status).toBe('active')
    await until(
      async () => receiver.accepted(),
      (types) => types.length === 2,
    )
    expect(receiver.accepted()).toEqual(['before.pause', 'during.pause'])
    const types = (await call('GET', `/v1/events?resource_type=webhook&resource_id=${id}&order=asc`)).body.data
    expect(types.map((it: { type: string }) => it.type)).toEqual([
      'webhook.created',
      'webhook.paused',
      'webhook.resumed',
    ])
  })

  test('sends everything again from an event or a time on, with the same ids', async () => {
    const { call } = await httpYard()
    const receiver = await webhookReceiver()
    const { id } = (await call('POST', '/v1/webhooks', { url: receiver.url })).body
    const ids = []
    for (const type of ['a.a', 'b.b', 'c.c']) ids.push((await append(call, type)).body.id)
    await until(
      async () => receiver.received.length,
      (n) => n === 3,
    )
    expect((await call('POST', `/v1/webhooks/${id}/replay`, { from_event_id: ids[1] })).status).toBe(200)
    await until(
      async () => receiver.received.length,
      (n) => n === 5,
    )
    const { recorded_at } = (await call('GET', `/v1/events/${ids[0]}`)).body
    await call('POST', `/v1/webhooks/${id}/replay`, { since: recorded_at })
    await until(
      async () => receiver.received.length,
      (n) => n === 8,
    )
    expect(receiver.received.map(({ body }) => body.id)).toEqual([...ids, ids[1], ids[2], ...ids])
    const refused = await Promise.all([
      call('POST', `/v1/webhooks/${id}/replay`, {}),
      call('POST', `/v1/webhooks/${id}/replay`, { from_event_id: ids[0], since: recorded_at }),
      call('POST', `/v1/webhooks/${id}/replay`, { from_event_id: id }),
    ])
    expect(refused.map(codeOf)).toEqual(['invalid', 'invalid', 'event_not_found'])
  })

  test('can be tested: the answer comes with the reply, and is listed', async () => {
    const { call } = await httpYard()
    const receiver = await webhookReceiver()
    receiver.answer((response) => {
      response.statusCode = 418
      response.end('I am a teapot')
    })
    const made = (await call('POST', '/v1/webhooks', { url: receiver.url })).body
    const tested = await call('POST', `/v1/webhooks/${made.id}/test`)
    const answer = { outcome: 'failed', status: 418, response_body: 'I am a teapot', event_type: 'webhook.test' }
    expect(tested).toMatchObject({ status: 200, body: answer })
    const sent = receiver.received[0]!
    expect(new Webhook(made.signing_secret).verify(sent.text, sent.headers as never)).toMatchObject({
      type: 'webhook.test',
    })
    const listed = (await call('GET', `/v1/webhooks/${made.id}/deliveries`)).body.data
    expect(listed).toMatchObject([{ id: tested.body.id, outcome: 'failed', event_id: null }])
    const whole = (await call('GET', `/v1/webhooks/${made.id}/deliveries/${tested.body.id}`)).body
    expect(whole).toMatchObject({ ...answer, request_body: sent.text })
  })
})

test('deliveries are listed by outcome, a page at a time, and only to the project of the webhook', async () => {
  const { call, address } = await httpYard()
  const receiver = await webhookReceiver()
  const { id } = (await call('POST', '/v1/webhooks', { url: receiver.url })).body
  for (let n = 0; n < 5; n++) await append(call, 'a.a', { data: { n } })
  const path = `/v1/webhooks/${id}/deliveries`
  await until(
    () => call('GET', path),
    (reply) => reply.body.data.length === 5,
  )
  const first = (await call('GET', `${path}?limit=3&outcome=delivered`)).body
  const second = (await call('GET', `${path}?limit=3&outcome=delivered&cursor=${first.next_cursor}`)).body
  const positions = [...first.data, ...second.data].map(({ event_position }) => event_position)
  expect(positions).toEqual(positions.toSorted((a, b) => b - a))
  expect([first.data.length, second.data.length, second.has_more]).toEqual([3, 2, false])
  expect((await call('GET', `${path}?outcome=failed`)).body.data).toEqual([])
  const stranger = (await call('POST', '/v1/projects', { id: 'stranger' })).body.key
  const theirs = callerOf(address, stranger)
  const replies = [await theirs('GET', path), await theirs('GET', `${path}/${first.data[0].id}`)]
  expect(replies.map(codeOf)).toEqual(['webhook_not_found', 'webhook_not_found'])
  expect((await theirs('GET', '/v1/webhooks')).body.data).toEqual([])
  await append(theirs, 'secret.thing')
  await append(call, 'the.end')
  await until(
    async () => receiver.accepted(),
    (types) => types.includes('the.end'),
  )
  expect(receiver.accepted()).not.toContain('secret.thing')
})

test('a key sets up a webhook only where it may read events itself', async () => {
  const { call, address } = await httpYard()
  const keyWith = async (scopes: string[]) => (await call('POST', '/v1/keys', { name: 'k', scopes })).body.key
  const blind = callerOf(address, await keyWith(['webhooks:write']))
  expect(await blind('POST', '/v1/webhooks', { url: 'http://127.0.0.1:1/' })).toMatchObject({
    status: 403,
    body: { error: { code: 'forbidden', details: { scope: 'events:read' } } },
  })
  const reader = callerOf(address, await keyWith(['events:read']))
  expect((await reader('POST', '/v1/webhooks', { url: 'http://127.0.0.1:1/' })).status).toBe(403)
  const both = callerOf(address, await keyWith(['webhooks:write', 'events:read']))
  expect((await both('POST', '/v1/webhooks', { url: 'http://127.0.0.1:1/' })).status).toBe(201)
})

test('what is wrong with a webhook is said by field', async () => {
  const { call, url } = await httpYard()
  const wrong = async (body: object) => (await call('POST', '/v1/webhooks', body)).body.error.details.fields[0].field
  const good = { url: 'http://127.0.0.1:1/' }
  expect([
    await wrong({}),
    await wrong({ url: 'ftp://example.com/' }),
    await wrong({ ...good, types: ['Run.*'] }),
    await wrong({ ...good, states: ['dead'] }),
    await wrong({ ...good, tags: { a: 1 } }),
    await wrong({ ...good, disable_after_days: 0 }),
    await wrong({ ...good, extra: true }),
  ]).toEqual(['url', 'url', 'types[0]', 'states[0]', 'tags.a', 'disable_after_days', 'extra'])
  const guarded = await openNode(url, { RUNYARD_EGRESS: 'public' })
  const refused = await callerOf(guarded.address)('POST', '/v1/webhooks', good)
  expect(refused.body.error.details.fields[0]).toMatchObject({
    field: 'url',
    message: expect.stringContaining('public'),
  })
})
