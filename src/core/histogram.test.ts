import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addHistograms, makeHistogram } from './histogram.ts'

const BOUNDS = [1, 5, 10]
const values = fc.array(fc.double({ min: 0, max: 20, noNaN: true }))

const read = (given: readonly number[]) => {
  const histogram = makeHistogram(BOUNDS)
  for (const value of given) histogram.observe(value)
  return histogram.read()
}

test('a bucket counts the values up to its bound, the bound itself included', () => {
  expect(read([1, 1.1, 5, 10, 10.1])).toMatchObject({ bounds: BOUNDS, counts: [1, 3, 4], count: 5 })
  fc.assert(
    fc.property(values, (given) => {
      const { counts, count, sum } = read(given)
      expect(counts).toEqual(BOUNDS.map((bound) => given.filter((value) => value <= bound).length))
      expect(count).toBe(given.length)
      expect(sum).toBeCloseTo(
        given.reduce((all, value) => all + value, 0),
        6,
      )
    }),
  )
})

test('several histograms together count what one would', () => {
  fc.assert(
    fc.property(values, values, (one, other) => {
      const { sum, ...both } = addHistograms(BOUNDS, [read(one), read(other)])
      const { sum: wanted, ...rest } = read([...one, ...other])
      expect(both).toEqual(rest)
      expect(sum).toBeCloseTo(wanted, 6)
    }),
  )
  expect(addHistograms(BOUNDS, [])).toEqual({ bounds: BOUNDS, counts: [0, 0, 0], sum: 0, count: 0 })
})
