// The receiver that docs/guides/webhooks.md shows, run as it is printed there.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { httpYard, until } from '../../support/http-yard.ts'
import { startNode } from '../../support/processes.ts'

test('the receiver of the guide accepts what Runyard signs, once for each event, and refuses anything else', {
  timeout: 90_000,
}, async () => {
  const code = /```js\n([^`]+)```/.exec(readFileSync('docs/guides/webhooks.md', 'utf8'))![1]!
  // Beside the packages that it imports.
  mkdirSync('node_modules/.cache', { recursive: true })
  const folder = mkdtempSync(join('node_modules', '.cache', 'guide-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'receiver.mjs')
  writeFileSync(file, code)
  const { call } = await httpYard()
  const { id } = (await call('POST', '/v1/webhooks', { url: 'http://127.0.0.1:1/', types: ['order.*'] })).body
  const { signing_secret } = (await call('POST', `/v1/webhooks/${id}/rotate`, { grace_secs: 0 })).body
  const receiver = startNode(file, [], { env: { SIGNING_SECRET: signing_secret, PORT: '0' } })
  const port = (await receiver.line(/listening on port (\d+)/))[1]
  const address = `http://127.0.0.1:${port}/`
  await call('PATCH', `/v1/webhooks/${id}`, { url: address })
  const event = { type: 'order.placed', resource_type: 'order', resource_id: '7' }
  const first = (await call('POST', '/v1/events', event)).body
  await receiver.line(/order\.placed order\/7/)
  await call('POST', `/v1/webhooks/${id}/replay`, { from_event_id: first.id })
  await until(
    () => call('GET', `/v1/webhooks/${id}/deliveries?outcome=delivered`),
    (reply) => reply.body.data.length === 2,
  )
  expect(receiver.output().match(/order\.placed/g)).toHaveLength(1)
  expect((await fetch(address, { method: 'POST', body: '{"type":"order.forged"}' })).status).toBe(401)
})
