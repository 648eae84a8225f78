import { expect, test } from 'vitest'
import { treeOf } from './causes.ts'

const event = (id: string, causationId: string | null = null) => ({ id, causationId })
const shape = (events: ReturnType<typeof event>[]) =>
  treeOf(events).map(({ event: { id }, depth, parentId }) => `${'-'.repeat(depth)}${id}<${parentId ?? ''}`)

test('in a causal tree each event is below its cause, and siblings keep their order', () => {
  const events = [event('a'), event('b', 'a'), event('c', 'a'), event('d', 'b'), event('e'), event('f', 'c')]
  expect(shape(events)).toEqual(['a<', '-b<a', '--d<b', '-c<a', '--f<c', 'e<'])
})

test('an event whose cause is outside the chain is the root of its own tree', () => {
  expect(shape([event('a', 'elsewhere'), event('b', 'a')])).toEqual(['a<', '-b<a'])
})

test('events that claim to have caused each other or themselves each appear once', () => {
  expect(shape([event('a', 'b'), event('b', 'a'), event('c', 'c'), event('d', 'b')])).toEqual([
    'c<',
    'a<',
    '-b<a',
    '--d<b',
  ])
})

test('a causal tree may be as deep as it has events', () => {
  const events = Array.from({ length: 5_000 }, (_, i) => event(String(i), i === 0 ? null : String(i - 1)))
  expect(treeOf(events).at(-1)!.depth).toBe(4_999)
})
