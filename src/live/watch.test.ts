import { expect, test } from 'vitest'
import { makeWatch, type Page } from './watch.ts'

type Reading = { after: number; answer: (page: Page<string, number>) => void; fail: (error: Error) => void }

/** A watch whose reads are answered by the test. */
function watchOf() {
  const reads: Reading[] = []
  let unwatched = 0
  const watch = makeWatch<string, number>({
    read: (after) => new Promise((answer, fail) => reads.push({ after, answer, fail })),
    keyOf: (at) => at,
    unwatched: () => void unwatched++,
  })
  return { watch, reads, unwatched: () => unwatched }
}

const page = (row: string): Page<string, number> => ({ rows: [row], next: 1, more: false, over: false })

test('followers that read from the same position at the same time share one read', async () => {
  const { watch, reads } = watchOf()
  const both = Promise.all([watch.read(0), watch.read(0)])
  void watch.read(5)
  expect(reads.map((read) => read.after)).toEqual([0, 5])
  reads[0]!.answer(page('a'))
  const [one, two] = await both
  expect(one).toBe(two)
  void watch.read(0)
  expect(reads).toHaveLength(3)
})

test('a read that began before a ring is not shared with those who heard it: it may have missed what was rung for', async () => {
  const { watch, reads } = watchOf()
  const early = watch.read(0)
  watch.ring()
  const late = watch.read(0)
  expect(reads).toHaveLength(2)
  reads[1]!.answer(page('new'))
  reads[0]!.answer(page('old'))
  expect([(await early).rows, (await late).rows]).toEqual([['old'], ['new']])
})

test('the result of a failed read is not given to the next reader', async () => {
  const { watch, reads } = watchOf()
  const failed = watch.read(0)
  reads[0]!.fail(new Error('the database is away'))
  await expect(failed).rejects.toThrow('away')
  void watch.read(0)
  expect(reads).toHaveLength(2)
})

test('a ring wakes every follower, and the last one to leave ends the watch', () => {
  const { watch, unwatched } = watchOf()
  const woken: string[] = []
  const [one, two] = ['one', 'two'].map((name) => ({ wake: () => void woken.push(name) }))
  watch.join(one!)
  watch.join(two!)
  watch.ring()
  expect(woken).toEqual(['one', 'two'])
  watch.leave(one!)
  watch.leave(one!)
  watch.ring()
  expect([woken, unwatched()]).toEqual([['one', 'two', 'two'], 0])
  watch.leave(two!)
  expect(unwatched()).toBe(1)
})
