import { expect, onTestFinished, test, vi } from 'vitest'
import { makeRateLimiter } from './rate-limit.ts'

test.each([1, 2, 5, 8, 9, 60, 1_000])(
  'a limit of %i requests per minute allows exactly that many in this minute and in the next',
  async (perMinute) => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const limiter = makeRateLimiter()
    const taken = async (times: number) => {
      const asked = await Promise.allSettled(Array.from({ length: times }, () => limiter.take('key', perMinute)))
      return asked.filter((it) => it.status === 'fulfilled').length
    }
    expect(await taken(perMinute + 5)).toBe(perMinute)
    await vi.advanceTimersByTimeAsync(59_000)
    expect(await taken(5)).toBe(0)
    await vi.advanceTimersByTimeAsync(1_001)
    expect(await taken(perMinute + 5)).toBe(perMinute)
  },
)

test('a refusal for exceeding the rate limit states the configured limit and when to retry', async () => {
  const limiter = makeRateLimiter()
  expect(await limiter.take('key', 1)).toMatchObject({ limit: 1, remaining: 0 })
  const refused = await limiter.take('key', 1).catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'rate_limited', details: { limit: '1 a minute' } })
  expect((refused as { details: { retryAfterMs: number } }).details.retryAfterMs).toBeLessThanOrEqual(60_000)
})
