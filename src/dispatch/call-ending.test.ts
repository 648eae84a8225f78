// What an endpoint answered, as the end of its attempt: whatever it is, it is stored or refused once.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Json } from '#core/json/json.ts'
import { storableJson } from '#core/storable.ts'
import { callEnding } from './call-ending.ts'
import type { CallTimings } from './http-call.ts'

const ANSWER = {
  kind: 'response',
  status: 200,
  headers: {},
  bodyTruncated: false,
  isJson: true,
  timings: {} as CallTimings,
} as const

const ending = (bodyText: string) =>
  callEnding(
    { ...ANSWER, bodyText, bodyBytes: bodyText.length, json: JSON.parse(bodyText) },
    { timeoutSecs: 60, nowMs: 0 },
  )

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`

test('a result nested as deep as may be is kept, and a deeper one ends the attempt for good', () => {
  expect(ending(nested(100))).toMatchObject({ kind: 'completed' })
  expect(ending(nested(101))).toMatchObject({
    kind: 'failed',
    errorCode: 'result_invalid',
    error: 'the result is nested more than 100 deep',
    retryable: false,
  })
  expect(ending(nested(100_000))).toMatchObject({ kind: 'failed', errorCode: 'result_invalid', retryable: false })
})

test('a result with a number that PostgreSQL cannot compare ends the attempt for good', () => {
  expect(ending('{"n": 1e200000}')).toMatchObject({ kind: 'failed', errorCode: 'result_invalid', retryable: false })
})

test('half an emoji in a result is replaced, and all else is kept as it was written', () => {
  expect(ending('{ "cut": "\\ud83d", "id": 12345678901234567890, "n": 1.50 }')).toMatchObject({
    result: Json.written('{ "cut": "\ufffd", "id": 12345678901234567890, "n": 1.50 }'),
  })
})

test('whatever strings are in a result, what is stored is what they say, with only unstorable characters replaced', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
      const { result } = ending(JSON.stringify(value)) as { result: Json }
      expect(result.value).toEqual(JSON.parse(JSON.stringify(storableJson(value))))
    }),
  )
})
