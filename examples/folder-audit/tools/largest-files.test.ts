import { expect, test } from 'vitest'
import { largestFiles } from './largest-files.ts'

test('the longest files come first, and those over the limit are counted', () => {
  const files = Array.from({ length: 12 }, (_, index) => ({ path: `f${index}`, text: 'x\n'.repeat(index) }))
  const { top, over } = largestFiles(files, 8)
  expect(top).toHaveLength(10)
  expect(top[0]).toEqual({ path: 'f11', lines: 11 })
  expect(over).toBe(3)
})
