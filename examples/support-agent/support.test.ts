import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { testJob } from '#sdk/testing/test-job.ts'
import { classify } from './classify.ts'
import { support } from './support.ts'

async function supportDesk() {
  const folder = await mkdtemp(join(tmpdir(), 'support-agent-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const outbox = join(folder, 'outbox.jsonl')
  const sent = async () =>
    (await readFile(outbox, 'utf8').catch(() => ''))
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { id: string; to: string; text: string })
  return { job: support({ orders: join(import.meta.dirname, 'orders.json'), outbox }), sent }
}

const REFUND = { from: 'ada@example.com', text: 'AB-1001 came broken, I want my money back.' }

test('a question about an order is answered without asking anybody', async () => {
  const { job, sent } = await supportDesk()
  const tested = testJob(job)
  const payload = { from: 'ada@example.com', text: 'Where is AB-1001?' }
  expect(await tested.run(payload)).toEqual({ status: 'completed', result: { sent: true, kind: 'status' } })
  expect(tested.seen.questions).toEqual([])
  expect(await sent()).toMatchObject([{ to: 'ada@example.com', text: expect.stringMatching('AB-1001 is on its way') }])
})

test('a refund waits for a person, and what that person has left of the draft is sent once', async () => {
  const { job, sent } = await supportDesk()
  const tested = testJob(job)
  expect(await tested.run(REFUND)).toEqual({ status: 'waiting', for: 'approve' })
  expect(tested.seen.questions).toMatchObject([{ prompt: 'Refund 42.5 EUR for order AB-1001?' }])
  tested.answer('approve', { approved: true, params: { text: 'Sorry! You get your money back.' } })
  expect(await tested.crashAfter('send').resume()).toEqual({ status: 'crashed' })
  expect(await tested.resume()).toMatchObject({ status: 'completed', result: { sent: true } })
  expect(await sent()).toMatchObject([{ text: 'Sorry! You get your money back.' }])
  expect(tested.text('draft').match(/Thank you/g)).toHaveLength(1)
})

test('a refused refund sends nothing', async () => {
  const { job, sent } = await supportDesk()
  const tested = testJob(job, { answers: { approve: { approved: false } } })
  expect(await tested.run(REFUND)).toEqual({ status: 'completed', result: { sent: false, kind: 'refund' } })
  expect(await sent()).toEqual([])
})

test("nobody gets an answer about somebody else's order", async () => {
  const { job, sent } = await supportDesk()
  const outcome = await testJob(job).run({ from: 'eve@example.com', text: 'Where is AB-1001?' })
  expect(outcome).toMatchObject({ status: 'failed', code: 'not_yours', retryable: false })
  expect(await sent()).toEqual([])
})

test.each([
  ['Where is AB-1001?', { kind: 'status', orderId: 'AB-1001' }],
  ['It arrived broken: XY-123456', { kind: 'refund', orderId: 'XY-123456' }],
  ['Hello', { kind: 'other', orderId: null }],
])('the message %j is classified', (text, expected) => {
  expect(classify(text)).toEqual(expected)
})
