import { describe, expect, test } from 'vitest'
import { parseSearch, pick, stringifySearch } from './search.ts'

describe('the search of an address', () => {
  test('is what the list of the API takes, word for word', () => {
    const text = '?status=failed,timed_out&tag=team:care&tag=urgent&created_from=2026-01-01T00:00:00Z'
    expect(parseSearch(text)).toEqual({
      status: 'failed,timed_out',
      tag: ['team:care', 'urgent'],
      created_from: '2026-01-01T00:00:00Z',
    })
    expect(stringifySearch(parseSearch(text))).toBe(text)
  })

  test('a value is never taken for a number or JSON', () => {
    const search = { job: '007', payload_contains: '{"a": [1, true]}', agent_id: 'null' }
    expect(parseSearch(stringifySearch(search))).toEqual(search)
  })

  test('names that a screen does not know are left out, and none reaches the prototype', () => {
    const search = parseSearch('?__proto__=1&status=failed&constructor=2&old_filter=3')
    expect(pick(['status', 'job'])(search)).toEqual({ status: 'failed' })
    expect(Object.hasOwn({}, 'status')).toBe(false)
  })
})
