import fc from 'fast-check'
import { expect, test } from 'vitest'
import { maskMessage } from './mask-message.ts'

test.each([
  ['Order 4711 was refused', 'Order # was refused'],
  ['No user 0195d3a1-7f2e-7c3a-9d53-1c2f00aa91be in "acme"', 'No user # in “…”'],
  ["Column 'total' can't be null", "Column “…” can't be null"],
  ['connect ECONNREFUSED 127.0.0.1:5432', 'connect ECONNREFUSED #'],
  ['Took 12.5 s at 2026-12-01T10:00:00.123Z', 'Took # s at #'],
  ['Missing ids: 1, 22, 333', 'Missing ids: #'],
  ['Missing ids: 7, 8', 'Missing ids: #'],
  ['charge ch_3NqT0a failed\n   for cus_9s6X', 'charge # failed for #'],
  ['', ''],
])('%j is masked as %j', (message, masked) => {
  expect(maskMessage(message)).toBe(masked)
})

const word = fc.stringMatching(/^[a-z]{1,8}$/)
const hole = fc.oneof(
  fc.nat().map(String),
  fc.uuid(),
  fc.stringMatching(/^[a-z]{2}_[0-9a-z]{1,12}$/).map((id) => `${id}1`),
)

test('messages that differ in numbers and ids alone are masked alike', () => {
  const sentence = fc.array(fc.tuple(word, hole, hole), { minLength: 1, maxLength: 10 })
  fc.assert(
    fc.property(sentence, (parts) => {
      const [one, other] = [1, 2].map((at) => parts.map((part) => `${part[0]} ${part[at]}`).join(' '))
      expect(maskMessage(one!)).toBe(maskMessage(other!))
    }),
  )
})

test('messages that differ in quoted text alone are masked alike', () => {
  fc.assert(
    fc.property(word, fc.stringMatching(/^[^"'`\n]{0,40}$/), fc.constantFrom('"', "'", '`'), (said, quoted, mark) => {
      expect(maskMessage(`${said} ${mark}${quoted}${mark} ${said}`)).toBe(`${said} “…” ${said}`)
    }),
  )
})

test('a masked message has no digits, is short and can be stored', () => {
  const anything = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 3_000 }),
    fc
      .array(fc.constantFrom('"', "'", '“', '”', '«', '»', '1', '#', '.', ',', ' ', 'a', '…', '\n'), { maxLength: 600 })
      .map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(anything, (message) => {
      const masked = maskMessage(message)
      expect(masked).not.toMatch(/\p{N}/u)
      expect(masked.length).toBeLessThanOrEqual(300)
      expect(masked.isWellFormed() && !masked.includes('\0')).toBe(true)
    }),
    { numRuns: 500 },
  )
})

test('a long message of nothing but quotation marks is masked at once', () => {
  const startedAt = performance.now()
  for (const mark of ['"', '“', "' ", '" a', '1,']) maskMessage(mark.repeat(1_000_000))
  expect(performance.now() - startedAt).toBeLessThan(1_000)
})
