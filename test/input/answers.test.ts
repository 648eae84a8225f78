// Who may answer for people: never the attempt that asks, and no key that only works on runs.
import { expect, test } from 'vitest'
import { asAttempt, claimOne, workerJob } from '../support/builders/attempts.ts'
import { codeOf, httpYard, trigger } from '../support/http-yard.ts'

test('neither the attempt that asks nor the key of its worker can answer', async () => {
  const { call } = await httpYard()
  const { key } = (await call('POST', '/v1/keys', { name: 'worker', scopes: ['workers'] })).body
  await call('PUT', '/v1/agents/support/policy', { mode: 'enforce', policy: { approval_tools: ['refund'] } })
  await call('POST', '/v1/jobs', workerJob('support', { queue: 'support' }))
  await trigger(call, 'support')
  const it = await claimOne(call, 'support')
  const asked = (await asAttempt(call, it, 'input-requests', { kind: 'approval', prompt: 'Pay?', wait: false })).body.id
  const approval = (await asAttempt(call, it, 'authorize', { tool: 'refund', args: { amount: 3 } })).body
    .input_request_id
  for (const id of [asked, approval]) {
    const answer = (credential: string) =>
      call('POST', `/v1/input-requests/${id}/answer`, { approved: true }, { key: credential })
    expect(codeOf(await answer(it.run_token))).toBe('wrong_credential')
    expect(codeOf(await answer(key))).toBe('forbidden')
    expect((await call('GET', `/v1/input-requests/${id}`)).body.status).toBe('pending')
  }
})
