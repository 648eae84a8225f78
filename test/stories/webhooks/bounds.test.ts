// How many webhooks there may be, and what is left of one that was deleted.
import { expect, onTestFinished, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { deleteOldDeliveries } from '#webhooks/deliveries.sql.ts'
import { codeOf, httpYard } from '../../support/http-yard.ts'

test('a project has at most fifty webhooks, and a deleted one is gone with its deliveries', async () => {
  const { call } = await httpYard()
  const ids = []
  for (let n = 0; n < 50; n++)
    ids.push((await call('POST', '/v1/webhooks', { url: 'http://127.0.0.1:1/', types: ['none.such'] })).body.id)
  const refused = await call('POST', '/v1/webhooks', { url: 'http://127.0.0.1:1/' })
  expect(refused.body.error).toMatchObject({ code: 'invalid', message: expect.stringContaining('50 webhooks') })
  const tested = (await call('POST', `/v1/webhooks/${ids[0]}/test`)).body
  expect((await call('GET', `/v1/webhooks/${ids[0]}/deliveries/${tested.id}`)).status).toBe(200)
  expect((await call('DELETE', `/v1/webhooks/${ids[0]}`)).status).toBe(204)
  for (const path of ['', '/deliveries', `/deliveries/${tested.id}`])
    expect(codeOf(await call('GET', `/v1/webhooks/${ids[0]}${path}`))).toBe('webhook_not_found')
  expect((await call('POST', '/v1/webhooks', { url: 'http://127.0.0.1:1/' })).status).toBe(201)
})

test('retention deletes the deliveries that are older than it keeps them, and no others', async () => {
  const { call, url } = await httpYard()
  const sql = connect(url, { max: 1 })
  onTestFinished(() => sql.end())
  const { id } = (await call('POST', '/v1/webhooks', { url: 'http://127.0.0.1:1/', types: ['none.such'] })).body
  for (let n = 0; n < 3; n++) await call('POST', `/v1/webhooks/${id}/test`)
  expect(await deleteOldDeliveries(sql, 1, 100)).toBe(0)
  expect(await deleteOldDeliveries(sql, -1, 2)).toBe(2)
  expect((await call('GET', `/v1/webhooks/${id}/deliveries`)).body.data).toHaveLength(1)
})
