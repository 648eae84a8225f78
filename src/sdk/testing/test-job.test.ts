import { Type } from 'typebox'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { POLICY_REASONS } from '#core/policy.ts'
import { ToolBlocked } from '../ai/errors.ts'
import { govern } from '../ai/govern.ts'
import { defineJob } from '../job/define-job.ts'
import { AttemptFailed } from '../worker/lease.ts'
import type { FakeOptions } from './fake-run.ts'
import { testJob } from './test-job.ts'

describe('a job in memory', () => {
  const done: string[] = []
  const job = defineJob('job', {
    payload: z.object({ n: z.number().default(1) }),
    async run({ payload, step, progress, log, stream, previousError }) {
      const one = await step('one', () => done.push('one') && payload.n)
      await progress(50, 'half')
      await log('between', { one })
      await stream('draft').pipe(['a', 'b'])
      const two = await step('two', () => done.push('two') && one + 1)
      return { one, two, previousError }
    },
  })

  test('completes with its result, and shows what it did', async () => {
    const tested = testJob(job)
    expect(await tested.run({ n: 3 })).toEqual({ status: 'completed', result: { one: 3, two: 4, previousError: null } })
    expect(tested.steps()).toEqual(['one', 'two'])
    expect(tested.text('draft')).toBe('ab')
    expect(tested.seen.progress).toEqual([{ percent: 50, message: 'half' }])
    expect(tested.seen.logs).toEqual([{ level: 'info', message: 'between', data: { one: 3 } }])
    expect(tested.seen.toolCalls.map(({ step, status }) => `${step} ${status}`)).toEqual([
      'one completed',
      'two completed',
    ])
  })

  test('that crashes after a step does not do that step again', async () => {
    done.length = 0
    const tested = testJob(job).crashAfter('one')
    expect(await tested.run({})).toEqual({ status: 'crashed' })
    expect(tested.steps()).toEqual(['one'])
    expect(await tested.resume()).toMatchObject({ status: 'completed', result: { one: 1, two: 2 } })
    expect(done).toEqual(['one', 'two'])
  })

  test('refuses an invalid payload like a worker', async () => {
    expect(await testJob(job).run({ n: 'x' })).toMatchObject({
      status: 'failed',
      code: 'invalid_payload',
      retryable: false,
    })
  })

  test('fails with what it throws, and the next attempt is told', async () => {
    const flaky = defineJob('flaky', {
      run({ run, previousError }) {
        if (run.attempt === 1) throw new AttemptFailed('no paper', { code: 'no_paper' })
        return previousError
      },
    })
    const tested = testJob(flaky)
    expect(await tested.run()).toEqual({ status: 'failed', error: 'no paper', code: 'no_paper', retryable: true })
    expect(await tested.resume()).toEqual({ status: 'completed', result: 'no paper' })
  })
})

describe('what a job in memory waits for', () => {
  const job = defineJob('order', {
    async run({ ask, waitFor, sleep, child, all, step }) {
      const { approved, params } = await ask('send', { prompt: 'Send?', params: { text: 'Hi' } })
      if (!approved) return 'refused'
      await sleep('a week', 7 * 86_400)
      const paid = await waitFor('paid')
      const parts = await all([child('left', 'part', 1), child('right', 'part', 2)])
      return step('end', () => ({ params, paid, parts }))
    },
  })

  test('happens at once where it was said before', async () => {
    const tested = testJob(job, {
      answers: { send: { approved: true, params: { text: 'Hello' } } },
      events: { paid: { amount: 3 } },
      children: { left: 'L', right: (payload: number) => payload * 10 },
    })
    expect(await tested.run()).toEqual({
      status: 'completed',
      result: { params: { text: 'Hello' }, paid: { amount: 3 }, parts: ['L', 20] },
    })
    expect(tested.now()).toEqual(new Date('2026-01-08T00:00:00Z'))
    expect(tested.seen.children.map(({ name, job: slug }) => `${name} ${slug}`)).toEqual(['left part', 'right part'])
  })

  test('may be said while it waits', async () => {
    const tested = testJob(job, { children: { left: 1, right: 2 } })
    expect(await tested.run()).toEqual({ status: 'waiting', for: 'send' })
    expect(await tested.resume()).toEqual({ status: 'waiting', for: 'send' })
    expect(tested.seen.questions).toEqual([{ name: 'send', prompt: 'Send?', params: { text: 'Hi' } }])
    expect(await tested.answer('send', { approved: true }).resume()).toEqual({ status: 'waiting', for: 'paid' })
    expect(await tested.send('paid', 1).resume()).toMatchObject({ status: 'completed', result: { paid: 1 } })
  })

  test('times out when the clock says so', async () => {
    const tested = testJob(job, { answers: { send: { approved: true } } })
    expect(await tested.run()).toEqual({ status: 'waiting', for: 'paid' })
    expect(await tested.advance(86_400).resume()).toMatchObject({ status: 'failed', code: 'wait_timeout' })
  })

  test('is refused when a person says no, and a failed child is a failure', async () => {
    expect(await testJob(job, { answers: { send: { approved: false } } }).run()).toMatchObject({ result: 'refused' })
    const fails = testJob(job, {
      answers: { send: { approved: true } },
      events: { paid: null },
      children: {
        left: () => {
          throw new Error('no left')
        },
        right: 1,
      },
    })
    expect(await fails.run()).toMatchObject({
      status: 'failed',
      code: 'child_failed',
      error: expect.stringMatching('no left'),
    })
  })
})

describe('waits for several at once', () => {
  test('refuse the limit of one of them, which could only be ignored', async () => {
    const both = defineJob('both', {
      run: ({ all, waitFor }) => all([waitFor('paid', { timeoutSecs: 5 }), waitFor('sent')], { timeoutSecs: 9 }),
    })
    const outcome = await testJob(both).run()
    expect(outcome).toMatchObject({ status: 'failed', code: 'invalid_wait', retryable: false })
    expect(outcome).toMatchObject({ error: expect.stringContaining('not to waitFor of paid') })
  })

  test('keep the limit of a wait that is alone in a list', async () => {
    const single = defineJob('single', { run: ({ all, waitFor }) => all([waitFor('paid', { timeoutSecs: 5 })]) })
    const tested = testJob(single)
    expect(await tested.run()).toEqual({ status: 'waiting', for: 'paid alone' })
    expect(await tested.advance(5).resume()).toMatchObject({ status: 'failed', code: 'wait_timeout' })
  })

  test('take any names that their parts may have', async () => {
    const long = 'n'.repeat(128)
    const many = defineJob('many', {
      run: ({ all, child }) => all(['a', 'b'].map((letter) => child(letter + long.slice(1), 'part', letter))),
    })
    const children = { [`a${long.slice(1)}`]: 1, [`b${long.slice(1)}`]: 2 }
    expect(await testJob(many, { children }).run()).toEqual({ status: 'completed', result: [1, 2] })
  })

  test('take any key of an event, and tell keys apart that differ only at their ends', async () => {
    const keys = ['1', '2'].map((end) => `${'k'.repeat(500)}${end}`)
    const events = defineJob('events', { run: ({ all, waitFor }) => all(keys.map((key) => waitFor(key))) })
    const said = Object.fromEntries(keys.map((key, index) => [key, index]))
    expect(await testJob(events, { events: said }).run()).toEqual({ status: 'completed', result: [0, 1] })
  })
})

describe('a JSON Schema in memory', () => {
  const job = defineJob('typed', {
    payload: Type.Object({ items: Type.Array(Type.Object({ n: Type.Number() })) }),
    result: Type.Object({ paid: Type.Number() }),
    run: async ({ waitFor, payload }) => {
      const { amount } = await waitFor('paid', { payload: Type.Object({ amount: Type.Number() }) })
      return { paid: payload.items.length === 0 ? (String(amount) as never) : amount }
    },
  })

  test('checks the payload, events and the result', async () => {
    const paid = { events: { paid: { amount: 3 } } }
    expect(await testJob(job, paid).run({ items: [{ n: 1 }] })).toMatchObject({ result: { paid: 3 } })
    const payload = await testJob(job, paid).run({ items: [{ n: 1 }, { n: 'x' }] })
    expect(payload).toMatchObject({ status: 'failed', code: 'invalid_payload', retryable: false })
    expect(payload).toMatchObject({ error: expect.stringContaining('items[1].n: ') })
    const event = await testJob(job, { events: { paid: { amount: '3' } } }).run({ items: [{ n: 1 }] })
    expect(event).toMatchObject({ status: 'failed', code: 'invalid_event', retryable: false })
    expect(await testJob(job, paid).run({ items: [] })).toMatchObject({ status: 'failed', code: 'invalid_result' })
  })
})

describe('a governed call in memory', () => {
  const governed = defineJob('governed', {
    async run(context) {
      const { call } = govern(context)
      return call('refund', {}, () => 'done').catch((error: unknown) => {
        // Whatever ends the attempt, such as a wait for a person, goes on.
        if (error instanceof ToolBlocked) return error.reason
        throw error
      })
    },
  })
  const reasonOf = (decide: FakeOptions['decide'], answers: FakeOptions['answers'] = {}) =>
    testJob(governed, { ...(decide && { decide }), answers }).run()

  test('says what the server says about how it was decided', async () => {
    expect(await reasonOf(() => 'blocked')).toMatchObject({ result: 'tool_explicitly_blocked' })
    expect(await reasonOf(() => 'max_actions_per_hour_exceeded')).toMatchObject({
      result: 'max_actions_per_hour_exceeded',
    })
    const denied = { refund: { approved: false } }
    expect(await reasonOf(() => 'asked', denied)).toMatchObject({ result: 'approval_denied' })
    expect(await reasonOf(() => 'approval_required', { refund: { approved: true } })).toMatchObject({ result: 'done' })
  })

  test.each(POLICY_REASONS)('knows the rule %s', async (reason) => {
    const tested = testJob(governed, { decide: () => reason })
    await tested.run()
    const decision = reason === 'ok' ? 'allowed' : reason === 'approval_required' ? 'asked' : 'blocked'
    expect(tested.calls('refund')).toMatchObject([{ decision, reason }])
  })
})
