import { expect, test } from 'vitest'
import { costMicrousd, findRate, LISTED_PRICES, type Price, priceNames, RATE_MAX } from './prices.ts'

const price = (model: string, each: number): Price => ({
  provider: 'acme',
  model,
  promptMicrousdPerMillion: each,
  completionMicrousdPerMillion: each,
})
const perMillion = (found: ReturnType<typeof findRate>) => found?.rate.promptMicrousdPerMillion

test('the names by which a price is looked up end at a boundary, longest first', () => {
  expect(priceNames('gpt-4o-2024-08-06')).toEqual([
    'gpt-4o-2024-08-06',
    'gpt-4o-2024-08',
    'gpt-4o-2024',
    'gpt-4o',
    'gpt',
  ])
  expect(priceNames('claude-opus-4@20250514')).toEqual([
    'claude-opus-4@20250514',
    'claude-opus-4',
    'claude-opus',
    'claude',
  ])
  expect(priceNames('-x')).toEqual(['-x'])
  expect(priceNames('-'.repeat(256))).toHaveLength(256)
})

test('a model snapshot has the price of its family unless it has its own', () => {
  expect(perMillion(findRate('openai', 'gpt-4o', []))).toBe(2_500_000)
  expect(perMillion(findRate('openai', 'gpt-4o-2024-08-06', []))).toBe(2_500_000)
  expect(perMillion(findRate('openai', 'gpt-4o-2024-05-13', []))).toBe(5_000_000)
  expect(perMillion(findRate('openai', 'gpt-4o-mini-2024-07-18', []))).toBe(150_000)
  expect(perMillion(findRate('anthropic', 'claude-opus-4@20250514', []))).toBe(15_000_000)
  expect(perMillion(findRate('anthropic', 'claude-opus-4-5-20251101', []))).toBe(5_000_000)
})

test('a name that merely has the same prefix is another model', () => {
  expect(findRate('openai', 'gpt-4omni', [])).toBeUndefined()
  expect(findRate('openai', 'gpt', [])).toBeUndefined()
  expect(findRate('openai', 'GPT-4o', [])).toBeUndefined()
  expect(findRate('acme', 'gpt-4o', [])).toBeUndefined()
})

test('providers are case-insensitive', () => {
  expect(findRate('OpenAI', 'gpt-4o', [])).toEqual(findRate('openai', 'gpt-4o', []))
})

test("the longest matching name wins; for equal names, the project's own price", () => {
  expect(findRate('openai', 'gpt-4o', [price('gpt-4o', 7)])).toMatchObject({ source: 'project_price' })
  expect(findRate('openai', 'gpt-4o-2024-08-06', [price('gpt-4o', 7)])).toMatchObject({ source: 'project_price' })
  // A price for gpt-4 says nothing about gpt-4-turbo, which is listed.
  expect(findRate('openai', 'gpt-4-turbo', [price('gpt-4', 7)])).toMatchObject({ source: 'list_price' })
  const own = [price('m', 1), price('m-large', 2)]
  expect(perMillion(findRate('acme', 'm-large-2026', own))).toBe(2)
  expect(perMillion(findRate('acme', 'm-small', own))).toBe(1)
})

test('a cost is rounded once, to the nearest micro-dollar, halves upwards', () => {
  const rate = { promptMicrousdPerMillion: 150_000, completionMicrousdPerMillion: 600_000 }
  expect(costMicrousd(rate, { promptTokens: 1_000_000, completionTokens: 500_000 })).toBe(450_000)
  expect(costMicrousd(rate, { promptTokens: 3, completionTokens: 0 })).toBe(0) // 0.45
  expect(costMicrousd(rate, { promptTokens: 10, completionTokens: 0 })).toBe(2) // 1.5
  expect(costMicrousd(rate, { promptTokens: 2, completionTokens: 2 })).toBe(2) // 0.3 and 1.2
  expect(costMicrousd(rate, { promptTokens: 0, completionTokens: 0 })).toBe(0)
})

test('the highest price times the most tokens is calculated exactly', () => {
  const rate = { promptMicrousdPerMillion: RATE_MAX, completionMicrousdPerMillion: RATE_MAX - 1 }
  const tokens = { promptTokens: 2_147_483_647, completionTokens: 2_147_483_647 }
  // 2,147,483,647 * (2 * 10^12 - 1) / 10^6, which ends in …852.516353.
  expect(costMicrousd(rate, tokens)).toBe(4_294_967_293_997_853)
})

test('the price list has each model once, in whole micro-dollars, with a lower-case provider', () => {
  const names = LISTED_PRICES.map(({ provider, model }) => `${provider} ${model}`)
  expect(new Set(names).size).toBe(names.length)
  for (const { provider, promptMicrousdPerMillion, completionMicrousdPerMillion } of LISTED_PRICES) {
    expect(provider).toBe(provider.toLowerCase())
    expect(Number.isInteger(promptMicrousdPerMillion) && Number.isInteger(completionMicrousdPerMillion)).toBe(true)
    expect(Math.max(promptMicrousdPerMillion, completionMicrousdPerMillion)).toBeLessThanOrEqual(RATE_MAX)
  }
})
