import { describe, expect, test } from 'vitest'
import { callerOf, httpYard } from '../support/http-yard.ts'
import { join, openFirst, signIn, tokenOf } from '../support/people.ts'

const SLOW = { timeout: 120_000 }

/** A run that asks for approval, and its question. */
async function askedRun(call: ReturnType<typeof callerOf>, address: string) {
  await call('POST', '/v1/jobs', { slug: 'asks', execution: 'worker' })
  const run = (await call('POST', '/v1/jobs/asks/runs', {})).body
  const [claimed] = (await call('POST', '/v1/workers/claim', { worker_id: 'w', limit: 1 })).body.runs
  const question = { kind: 'approval', prompt: 'May I?', wait: false }
  const asked = await callerOf(address, claimed.run_token)('POST', `/v1/runs/${run.id}/input-requests`, question)
  return { run, question: asked.body }
}

describe('a role', () => {
  test('lets each do what it is for, and names the scope that it lacks', SLOW, async () => {
    const { address, call, node } = await httpYard()
    const owner = await openFirst(node)
    const people = {
      viewer: await join(address, { inviter: owner.call, role: 'viewer', email: 'v@example.com' }),
      approver: await join(address, { inviter: owner.call, role: 'approver', email: 'a@example.com' }),
      operator: await join(address, { inviter: owner.call, role: 'operator', email: 'o@example.com' }),
      admin: await join(address, { inviter: owner.call, role: 'admin', email: 'd@example.com' }),
    }
    const { run, question } = await askedRun(call, address)
    const statuses = async (method: string, path: string, body?: object) =>
      Promise.all(Object.values(people).map(async (one) => (await one.call(method, path, body)).status))
    expect(await statuses('GET', `/v1/runs/${run.id}`)).toEqual([200, 200, 200, 200])
    expect(await statuses('POST', `/v1/runs/${run.id}/debug`, { debug_mode: true })).toEqual([403, 403, 200, 200])
    expect(await statuses('GET', '/v1/keys')).toEqual([403, 403, 403, 200])
    expect(await statuses('GET', '/v1/users')).toEqual([403, 403, 403, 200])
    expect(await statuses('GET', '/v1/projects')).toEqual([403, 403, 403, 403])
    const answer = `/v1/input-requests/${question.id}/answer`
    const refused = await people.viewer.call('POST', answer, { approved: true })
    expect(refused.body.error).toMatchObject({
      code: 'forbidden',
      message: 'Your role in this project lacks the scope inputs:answer.',
      details: { scope: 'inputs:answer' },
    })
    const answered = await people.approver.call('POST', answer, { approved: true })
    expect([answered.status, answered.body.answered_by]).toEqual([
      200,
      { type: 'user', id: people.approver.session.user.id, name: 'a' },
    ])
  })

  test('is changed at once, in sessions that are open', async () => {
    const { address, node } = await httpYard()
    const owner = await openFirst(node)
    const ada = await join(address, { inviter: owner.call, role: 'viewer', email: 'ada@example.com' })
    const job = { slug: 'j', execution: 'worker' }
    expect((await ada.call('POST', '/v1/jobs', job)).status).toBe(403)
    const changed = await owner.call('PATCH', `/v1/users/${ada.session.user.id}`, { role: 'operator' })
    expect(changed.body).toMatchObject({ role: 'operator', owner: false })
    expect((await ada.call('POST', '/v1/jobs', job)).status).toBe(201)
  })

  test('is given by who holds it, and ownership by owners alone', async () => {
    const { address, call, node } = await httpYard()
    const owner = await openFirst(node)
    const admin = await join(address, { inviter: owner.call, role: 'admin', email: 'd@example.com' })
    const ada = await join(address, { inviter: admin.call, role: 'viewer', email: 'ada@example.com' })
    const path = `/v1/users/${ada.session.user.id}`
    expect((await admin.call('PATCH', path, { role: 'admin' })).status).toBe(200)
    for (const [method, at, body] of [
      ['PATCH', path, { owner: true }],
      ['POST', `${path}/link`, undefined],
      ['DELETE', `${path}/sessions`, undefined],
      ['DELETE', `/v1/users/${owner.session.user.id}`, undefined],
    ] as const)
      expect((await admin.call(method, at, body)).body.error, `${method} ${at}`).toMatchObject({
        code: 'forbidden',
        details: { scope: 'projects' },
      })
    // A key that ends would give something that does not.
    const short = (await call('POST', '/v1/keys', { name: 's', scopes: ['admin'], expires_in_days: 1 })).body.key
    const invited = await callerOf(address, short)('POST', '/v1/invitations', { role: 'viewer' })
    expect(invited.body.error.code).toBe('exceeds_own_rights')
    // What a person gives by a key is bounded likewise.
    const made = await ada.call('POST', '/v1/keys', { name: 'k', scopes: ['projects'] })
    expect(made.body.error).toMatchObject({ code: 'forbidden', details: { scope: 'projects' } })
    expect((await ada.call('POST', '/v1/keys', { name: 'k', scopes: ['admin'] })).status).toBe(201)
  })

  test('of the last owner stays, until there is another', async () => {
    const { address, node } = await httpYard()
    const owner = await openFirst(node)
    const ada = await join(address, { inviter: owner.call, role: 'viewer', email: 'ada@example.com' })
    const own = `/v1/users/${owner.session.user.id}`
    expect((await owner.call('DELETE', own)).body.error.code).toBe('last_owner')
    expect((await owner.call('PATCH', own, { owner: false })).body.error.code).toBe('last_owner')
    await owner.call('PATCH', `/v1/users/${ada.session.user.id}`, { owner: true })
    expect((await owner.call('PATCH', own, { owner: false })).body).toMatchObject({ owner: false, role: 'admin' })
  })
})

describe('an invitation', () => {
  test('makes an account of the role that it names, once', async () => {
    const { address, node } = await httpYard()
    const owner = await openFirst(node)
    const invited = (
      await owner.call('POST', '/v1/invitations', { role: 'approver', name: 'Ada', email: 'ada@example.com' })
    ).body
    const ada = await signIn(address, { link_token: tokenOf(invited.url) })
    expect(ada.session).toMatchObject({ actor: { name: 'Ada' }, projects: [{ id: 'default', role: 'approver' }] })
    const again = await callerOf(address, '')('POST', '/v1/session', { link_token: tokenOf(invited.url) })
    expect(again.status).toBe(410)
    expect((await owner.call('GET', '/v1/invitations')).body.data).toMatchObject([{ used_by: ada.session.user.id }])
  })

  test('that was revoked opens nothing', async () => {
    const { address, node } = await httpYard()
    const owner = await openFirst(node)
    const invited = (await owner.call('POST', '/v1/invitations', { role: 'viewer' })).body
    expect((await owner.call('DELETE', `/v1/invitations/${invited.id}`)).status).toBe(204)
    const opened = await callerOf(address, '')('POST', '/v1/session', { link_token: tokenOf(invited.url) })
    expect(opened.status).toBe(410)
  })

  test('to an address that has an account signs nobody in as them; they accept it themselves', async () => {
    const { address, call, node } = await httpYard()
    const second = (await call('POST', '/v1/projects', { id: 'second' })).body
    const owner = await openFirst(node)
    const ada = await join(address, { inviter: owner.call, role: 'admin', email: 'ada@example.com' })
    const stranger = callerOf(address, second.key)
    const invited = (await stranger('POST', '/v1/invitations', { role: 'viewer', email: 'ada@example.com' })).body
    const stolen = await callerOf(address, '')('POST', '/v1/session', { link_token: tokenOf(invited.url) })
    expect([stolen.status, stolen.body.error.code]).toEqual([409, 'email_taken'])
    const joined = await ada.call('POST', '/v1/invitations/accept', { link_token: tokenOf(invited.url) })
    expect(joined.body).toEqual({ project_id: 'second' })
    expect((await ada.call('GET', '/v1/session')).body.projects).toMatchObject([
      { id: 'default', role: 'admin' },
      { id: 'second', role: 'viewer' },
    ])
    const there = { headers: { 'runyard-project': 'second' } }
    expect((await ada.call('GET', '/v1/runs', undefined, there)).status).toBe(200)
    expect((await ada.call('GET', '/v1/keys', undefined, there)).status).toBe(403)
  })
})

test('people of another project are not there', async () => {
  const { address, call, node } = await httpYard()
  const second = (await call('POST', '/v1/projects', { id: 'second' })).body
  const owner = await openFirst(node)
  const ada = await join(address, { inviter: owner.call, role: 'viewer', email: 'ada@example.com' })
  const invited = (await owner.call('POST', '/v1/invitations', { role: 'viewer' })).body
  const stranger = callerOf(address, second.key)
  const user = `/v1/users/${ada.session.user.id}`
  for (const [method, path, body] of [
    ['GET', user, undefined],
    ['PATCH', user, { role: 'admin' }],
    ['DELETE', user, undefined],
    ['DELETE', `/v1/invitations/${invited.id}`, undefined],
    ['GET', '/v1/users/not-an-id', undefined],
  ] as const)
    expect((await stranger(method, path, body)).status, `${method} ${path}`).toBe(404)
  expect((await stranger('GET', '/v1/users')).body.data.map((it: { id: string }) => it.id)).toEqual([
    owner.session.user.id,
  ])
  expect((await owner.call('GET', user)).body).toMatchObject({ role: 'viewer', name: 'ada' })
})

test('a link for who cannot sign in otherwise is made by the owner', async () => {
  const { address, node } = await httpYard()
  const owner = await openFirst(node)
  const ada = await join(address, { inviter: owner.call, role: 'viewer', email: 'ada@example.com' })
  const link = (await owner.call('POST', `/v1/users/${ada.session.user.id}/link`)).body
  expect((await signIn(address, { link_token: tokenOf(link.url) })).session.user.id).toBe(ada.session.user.id)
  expect((await owner.call('DELETE', `/v1/users/${ada.session.user.id}/sessions`)).body).toEqual({ ended: 2 })
  expect((await ada.call('GET', '/v1/session')).status).toBe(401)
})
