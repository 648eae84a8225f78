import { expect, test } from 'vitest'
import { answerProblem, cutText, isStorableText } from './storable.ts'

test('text is truncated before it is made storable, and never inside a character', () => {
  expect(cutText('abcdef', 3)).toBe('abc')
  expect(cutText('ab', 3)).toBe('ab')
  expect(cutText('a😀b', 2)).toBe('a')
  expect(cutText('a😀b', 3)).toBe('a😀')
  // What was half a character before the cut is replaced, as everywhere.
  expect(cutText('\ud83dabc', 3)).toBe('\ufffdab')
  expect(cutText('a\ud83d', 2)).toBe('a\ufffd')
  expect(cutText('a\u0000bc', 3)).toBe('a\ufffdb')
  expect(cutText('a\u0000', 3)).toBe('a\ufffd')
  const text = '😀'.repeat(50)
  for (let length = 0; length <= text.length; length++) {
    expect(isStorableText(cutText(text, length))).toBe(true)
    expect(cutText(text, length).length).toBe(length - (length % 2))
  }
})

test('a response may be as deeply nested as a request', () => {
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
  const problemOf = (text: string) => answerProblem(text, JSON.parse(text))
  expect(problemOf(nested(100))).toBeUndefined()
  expect(problemOf(nested(101))).toBe('is nested more than 100 deep')
  expect(problemOf(nested(200_000))).toBe('is nested more than 100 deep')
})
