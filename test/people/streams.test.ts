import { expect, test } from 'vitest'
import { callerOf, type HttpYard, httpYard, openNode } from '../support/http-yard.ts'
import { join, openFirst } from '../support/people.ts'

/** An open stream of all events: `ended` settles when it is cut off. */
async function openStream(address: string, headers: Record<string, string>): Promise<{ ended: Promise<unknown> }> {
  const stream = await fetch(`${address}/v1/events/stream`, { headers })
  expect(stream.status).toBe(200)
  return { ended: stream.text().catch((error: unknown) => error) }
}

const isOpen = async ({ ended }: { ended: Promise<unknown> }): Promise<boolean> =>
  (await Promise.race([ended.then(() => 'ended'), new Promise((resolve) => setImmediate(resolve, 'open'))])) === 'open'

const keyWith = async (call: HttpYard['call'], scopes: string[]) =>
  (await call('POST', '/v1/keys', { name: 'k', scopes })).body

test('a stream ends with the session, the key or the role that let it in, on every node', {
  timeout: 60_000,
}, async () => {
  const { address, call, node, url } = await httpYard()
  const other = await openNode(url)
  const owner = await openFirst(node)
  const ada = await join(address, { inviter: owner.call, role: 'viewer', email: 'ada@example.com' })
  const key = await keyWith(call, ['events:read'])
  const lasting = await openStream(other.address, { cookie: owner.cookie })
  const ofSession = await openStream(other.address, { cookie: ada.cookie })
  const ofKey = await openStream(other.address, { authorization: `Bearer ${key.key}` })
  await call('DELETE', `/v1/keys/${key.id}`)
  await ofKey.ended
  expect(await isOpen(ofSession)).toBe(true)
  await ada.call('DELETE', '/v1/session')
  await ofSession.ended
  expect(await isOpen(lasting)).toBe(true)
  const bob = await join(address, { inviter: owner.call, role: 'viewer', email: 'bob@example.com' })
  const ofRole = await openStream(address, { cookie: bob.cookie })
  await owner.call('DELETE', `/v1/users/${bob.session.user.id}`)
  await ofRole.ended
  expect(await isOpen(lasting)).toBe(true)
})

test('what a person does shows their name, in events and operations, as it is now', async () => {
  const { address, call, node } = await httpYard()
  const owner = await openFirst(node)
  const ada = await join(address, { inviter: owner.call, role: 'operator', email: 'ada@example.com' })
  await ada.call('POST', '/v1/agents/bot/disable', { reason: 'odd' })
  await ada.call('POST', '/v1/operations', { kind: 'cancel', filter: { all: true } })
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  await ada.call('PATCH', '/v1/session/profile', { name: 'Ada Lovelace' })
  const id = ada.session.user.id
  const events = (await ada.call('GET', '/v1/events')).body.data
  const told = (type: string) => events.find((it: { type: string }) => it.type === type)
  expect(told('agent.disabled')).toMatchObject({ actor_type: 'user', actor_id: id, actor_name: 'Ada Lovelace' })
  expect(told('job.created')).toMatchObject({ actor_type: 'api_key', actor_name: null })
  const [operation] = (await ada.call('GET', '/v1/operations')).body.data
  expect(operation.created_by).toEqual({ type: 'user', id, name: 'Ada Lovelace' })
  // Other projects are shown nothing of it.
  const second = (await call('POST', '/v1/projects', { id: 'second' })).body
  expect(JSON.stringify((await callerOf(address, second.key)('GET', '/v1/events')).body)).not.toContain('Lovelace')
})
