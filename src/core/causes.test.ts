import { expect, test } from 'vitest'
import { treeOf } from './causes.ts'

const event = (id: string, causationId: string | null = null) => ({ id, causationId })
const shape = (events: ReturnType<typeof event>[]) =>
  treeOf(events).map(({ event: { id }, depth, parentId }) => `${'-'.repeat(depth)}${id}<${parentId ?? ''}`)

test('each event stands below its cause, and siblings keep their order', () => {
  const events = [event('a'), event('b', 'a'), event('c', 'a'), event('d', 'b'), event('e'), event('f', 'c')]
  expect(shape(events)).toEqual(['a<', '-b<a', '--d<b', '-c<a', '--f<c', 'e<'])
})

test('what an event outside of the chain caused begins a tree of its own', () => {
  expect(shape([event('a', 'elsewhere'), event('b', 'a')])).toEqual(['a<', '-b<a'])
})

test('events that claim to have caused each other, or themselves, are all there once', () => {
  expect(shape([event('a', 'b'), event('b', 'a'), event('c', 'c'), event('d', 'b')])).toEqual([
    'c<',
    'a<',
    '-b<a',
    '--d<b',
  ])
})

test('a chain may be as deep as it has events', () => {
  const events = Array.from({ length: 5_000 }, (_, i) => event(String(i), i === 0 ? null : String(i - 1)))
  expect(treeOf(events).at(-1)!.depth).toBe(4_999)
})
