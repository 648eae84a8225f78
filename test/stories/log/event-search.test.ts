// Events by what they say of themselves: level, status, tool, step and words of the message.
import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { type Call, httpYard, KEY, until } from '../../support/http-yard.ts'
import { type Frame, watch } from '../../support/sse-client.ts'

const messagesOf = async (call: Call, query: string) =>
  (await call('GET', `/v1/events?order=asc&${query}`)).body.data.map((event: { message: string }) => event.message)

test('events are found by level, status, tool, step and words of their message, together with other filters', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/events', [
    { type: 'note', message: 'Mail sent to Ada', level: 'info', tool: 'mail', step: 'tell', status: 'ok' },
    { type: 'note', message: 'MAIL refused: 100%_full', level: 'error', tool: 'mail', step: 'tell', status: 'failed' },
    { type: 'other', message: 'Paid', level: 'info', tool: 'bank', step: 'pay', status: 'ok' },
  ])
  expect(await messagesOf(call, 'level=error')).toEqual(['MAIL refused: 100%_full'])
  expect(await messagesOf(call, 'tool=mail')).toEqual(['Mail sent to Ada', 'MAIL refused: 100%_full'])
  expect(await messagesOf(call, 'step=pay')).toEqual(['Paid'])
  expect(await messagesOf(call, 'status=ok&level=info')).toEqual(['Mail sent to Ada', 'Paid'])
  expect(await messagesOf(call, 'text=mail')).toEqual(['Mail sent to Ada', 'MAIL refused: 100%_full'])
  expect(await messagesOf(call, 'text=%25_')).toEqual(['MAIL refused: 100%_full'])
  expect(await messagesOf(call, 'type=other&tool=mail')).toEqual([])
  const refused = await call('GET', '/v1/events?level=loud')
  expect(refused.body.error.details.fields[0].field).toBe('level')
})

test('a page that looked at 5,000 events says where to go on, and leaves none out', async () => {
  const { call, url } = await httpYard()
  const sql = connect(url)
  await sql`
    insert into events (id, project_id, type, occurred_at, actor_type, correlation_id, message, level)
    select gen_random_uuid(), 'default', 'note', now() - i * interval '1 second', 'user', 'c', 'event ' || i,
      case when i % 3000 = 0 then 'error' end
    from generate_series(1, 12000) i`
  await sql.end()
  for (const order of ['asc', 'desc']) {
    const found: string[] = []
    let pages = 0
    for (let cursor = ''; cursor !== 'null'; pages++) {
      const query = `level=error&limit=2&order=${order}${cursor && `&cursor=${cursor}`}`
      const { body } = await call('GET', `/v1/events?${query}`)
      expect(body.data.length).toBeLessThanOrEqual(2)
      found.push(...body.data.map((event: { message: string }) => event.message))
      cursor = String(body.next_cursor)
    }
    const wanted = ['event 3000', 'event 6000', 'event 9000', 'event 12000']
    expect(found).toEqual(order === 'desc' ? wanted : wanted.toReversed())
    expect(pages).toBeGreaterThan(2)
  }
})

test('a stream takes the filters of the list, and sends what they would find', async () => {
  const { call, address } = await httpYard()
  const seen = new Map<string, string[]>()
  for (const query of ['level=error', 'tool=mail&status=ok', 'step=pay', 'text=MAIL', '']) {
    const messages: string[] = []
    seen.set(query, messages)
    const onFrame = ({ event, data }: Frame) => event === 'note' && messages.push(JSON.parse(data).message)
    expect(await watch({ url: `${address}/v1/events/stream?${query}`, key: KEY, onFrame }).status).toBe(200)
  }
  await call('POST', '/v1/events', [
    { type: 'note', message: 'Mail sent', level: 'info', tool: 'mail', step: 'tell', status: 'ok' },
    { type: 'note', message: 'mail refused', level: 'error', tool: 'mail', step: 'tell', status: 'failed' },
    { type: 'note', message: 'Paid', level: 'info', tool: 'bank', step: 'pay', status: 'ok' },
    { type: 'note', message: 'last', level: 'info' },
  ])
  await until(
    async () => seen.get('')!,
    (messages) => messages.includes('last'),
  )
  for (const [query, messages] of seen)
    expect(messages, query).toEqual(await messagesOf(call, `type=note${query && `&${query}`}`))
  expect(seen.get('level=error')).toEqual(['mail refused'])
  const refused = await call('GET', '/v1/events/stream?level=loud')
  expect(refused.body.error.details.fields[0].field).toBe('level')
})
