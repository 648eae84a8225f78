import { expect, test } from 'vitest'
import { offsetOf } from '#dialects/dynamiq/pages.ts'
import { addApp, background, dynamiqYard, executing } from '../../support/dynamiq-yard.ts'

const error = (code: string, message: string, details?: object) => ({
  error: { code, message, ...(details && { details }) },
})

test("a missing key is 401, a missing scope 403, and another project's run is 404 like one that does not exist", async () => {
  const { call, native, stranger } = await dynamiqYard()
  await addApp(native)
  const id = await background(call)
  expect(await call('GET', '/v1/runs', undefined, { key: '' })).toMatchObject({
    status: 401,
    body: error('unauthorized', 'Unauthorized'),
  })
  expect((await call('GET', '/v1/runs', undefined, { key: 'wrong' })).status).toBe(401)
  const reader = await native('POST', '/v1/keys', { name: 'r', scopes: ['runs:read'] })
  const refused = await call('POST', '/v1/runs', { input: 1 }, { key: reader.body.key })
  expect(refused).toMatchObject({ status: 403, body: { error: { code: 'forbidden', message: 'Forbidden' } } })
  for (const [method, path, body] of [
    ['GET', ''],
    ['GET', '/events'],
    ['GET', '/stream'],
    ['POST', '/cancel'],
    ['POST', '/input', { type: 'human_feedback', data: { request_id: id, feedback: 'x' } }],
  ] as const) {
    for (const [who, which] of [
      [stranger, id],
      [call, '4f0d4d0e-8c8c-4f4e-9f4f-6e1a52f0a001'],
      [call, 'no-uuid'],
      [call, 'x'.repeat(300)],
    ] as const) {
      expect(await who(method, `/v1/runs/${which}${path}`, body)).toMatchObject({
        status: 404,
        body: error('not_found', 'Not Found'),
      })
    }
  }
  expect((await stranger('GET', '/v1/runs')).body).toMatchObject({ data: [], pagination: { total_count: 0 } })
  expect((await call('GET', `/v1/runs/${id}`)).body.data.status).toBe('created')
  expect(await call('GET', '/v1/nothing')).toMatchObject({ status: 404, body: error('not_found', 'Not Found') })
})

test('a list has numbered pages, newest first or oldest first', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native)
  const ids: string[] = []
  for (let n = 0; n < 7; n++) ids.push(await background(call, { input: { n } }))
  const page = async (query: string) => {
    const { body } = await call('GET', `/v1/runs${query}`)
    return [body.data.map((run: { input: { n: number } }) => run.input.n), body.pagination]
  }
  const of = (page: number, page_size: number) => ({
    page,
    page_size,
    page_count: Math.ceil(7 / page_size),
    total_count: 7,
  })
  expect(await page('')).toEqual([[6, 5, 4, 3, 2, 1, 0], of(1, 25)])
  expect(await page('?page_size=3&page=2')).toEqual([[3, 2, 1], of(2, 3)])
  expect(await page('?page_size=3&page=3&sort=started_at')).toEqual([[6], of(3, 3)])
  expect(await page('?sort=-started_at&page_size=100')).toEqual([[6, 5, 4, 3, 2, 1, 0], of(1, 100)])
  expect(await page('?page=9')).toEqual([[], of(9, 25)])
  for (const [query, field] of [
    ['page_size=101', 'page_size'],
    ['page_size=0', 'page_size'],
    ['page=0', 'page'],
    ['page=x', 'page'],
    ['sort=color', 'sort'],
    ['sort=-started_at,color', 'sort'],
    ['status=running', 'status[0]'],
    ['user_id=%00', 'user_id'],
    ['user_id=', 'user_id'],
    ['session_id=', 'session_id'],
  ]) {
    const refused = await call('GET', `/v1/runs?${query}`)
    expect([refused.status, Object.keys(refused.body.error.details ?? {})]).toEqual([400, [field]])
  }
})

test('a list is filtered by statuses, user and session, and counts what it contains', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native)
  const find = async (query: string) => {
    const { body } = await call('GET', `/v1/runs?sort=started_at&${query}`)
    expect(body.pagination.total_count).toBe(body.data.length)
    return body.data.map((run: { input: string; status: string }) => `${run.input} ${run.status}`)
  }
  const one = { user_id: 'ada', session_id: 's:1' }
  const asking = await executing(call, native, { input: 'asking', ...one })
  await asking.write('/input-requests', { kind: 'approval', prompt: 'Yes?' })
  const besides = await executing(call, native, { input: 'besides', user_id: 'ada' })
  await besides.write('/input-requests', { kind: 'approval', prompt: 'Yes?', wait: false })
  await executing(call, native, { input: 'busy', user_id: 'bob' })
  await (await executing(call, native, { input: 'done', ...one })).write('/complete')
  await (await executing(call, native, { input: 'lost' })).write('/fail', { error: 'x' })
  await background(call, { input: 'new', user_id: 'ada' })
  expect(await find('')).toHaveLength(6)
  expect(await find('status=awaiting_input')).toEqual(['asking awaiting_input', 'besides awaiting_input'])
  expect(await find('status=started')).toEqual(['busy started'])
  expect(await find('status=started&status=awaiting_input')).toHaveLength(3)
  expect(await find('status=completed&status=failed&status=created')).toEqual([
    'done completed',
    'lost failed',
    'new created',
  ])
  expect(await find('status=paused')).toEqual([])
  expect(await find('user_id=ada')).toHaveLength(4)
  expect(await find('session_id=s%3A1')).toEqual(['asking awaiting_input', 'done completed'])
  expect(await find('user_id=ada&session_id=s%3A1&status=completed')).toEqual(['done completed'])
  expect(await find('user_id=ada&status=awaiting_input')).toEqual(['asking awaiting_input', 'besides awaiting_input'])
  expect(await find('user_id=ada&status=started')).toEqual([])
  expect(await find('user_id=nobody')).toEqual([])
  const { body } = await call('GET', '/v1/runs?status=awaiting_input&page_size=1&page=2')
  expect(body).toMatchObject({ data: [{ input: 'asking' }], pagination: { page_count: 2, total_count: 2 } })
})

test('a distant page is refused within the list, and empty beyond it', () => {
  expect(offsetOf({ page: 1_000, page_size: 100 }, 200_000)).toBe(99_900)
  expect(() => offsetOf({ page: 1_001, page_size: 100 }, 200_000)).toThrow('reaches beyond 100000 items')
  expect(offsetOf({ page: 2_001, page_size: 100 }, 200_000)).toBe(undefined)
})
