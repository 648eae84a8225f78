import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findCycles } from './cycles.ts'

const graph = (edges: readonly (readonly [string, string])[]): Map<string, Set<string>> => {
  const map = new Map<string, Set<string>>()
  for (const [from, to] of edges) map.set(from, (map.get(from) ?? new Set()).add(to))
  return map
}

test('a chain has no cycle', () => {
  expect(
    findCycles(
      graph([
        ['a', 'b'],
        ['b', 'c'],
        ['a', 'c'],
      ]),
    ),
  ).toEqual([])
})

test('cycles are found, the largest first, including a node that names itself', () => {
  const edges = graph([
    ['a', 'b'],
    ['b', 'a'],
    ['c', 'd'],
    ['d', 'e'],
    ['e', 'c'],
    ['b', 'c'],
    ['f', 'f'],
  ])
  expect(findCycles(edges)).toEqual([['c', 'd', 'e'], ['a', 'b'], ['f']])
})

test('two nodes are in one cycle exactly if each can be reached from the other', () => {
  const node = fc.constantFrom(...'abcdefgh')
  fc.assert(
    fc.property(fc.array(fc.tuple(node, node), { maxLength: 20 }), (pairs) => {
      const edges = graph(pairs)
      const reach = (from: string): Set<string> => {
        const seen = new Set<string>()
        const open = [from]
        for (let next = open.pop(); next !== undefined; next = open.pop()) {
          for (const to of edges.get(next) ?? []) if (!seen.has(to) && seen.add(to)) open.push(to)
        }
        return seen
      }
      const cycles = findCycles(edges)
      for (const a of 'abcdefgh') {
        for (const b of 'abcdefgh') {
          const together = cycles.some((cycle) => cycle.includes(a) && cycle.includes(b))
          expect(together).toBe(reach(a).has(b) && reach(b).has(a))
        }
      }
    }),
  )
})
