import { Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { appendEvents, NDJSON } from '#contract/events.ts'
import { triggerRuns } from '#contract/runs/runs.ts'
import type { Json } from '#core/json/json.ts'
import { answer, implement } from '../implement.ts'
import { testServer } from '../server.fixture.ts'
import { readNdjson } from './body.ts'
import type { Checked } from './items.ts'

type Seen = { index: number; value?: unknown; code?: string; field?: string; message?: string }

const seenOf = (item: Checked<unknown>): Seen => {
  if (!item.problem) return { index: item.index, value: item.value }
  const { code, message, details } = item.problem
  const field = (details as { fields?: { field: string }[] }).fields?.[0]?.field
  return { index: item.index, code, message, ...(field && { field }) }
}

let seen: Seen[] = []
let pageSizes: number[] = []

const app = testServer((app) => {
  implement(app, triggerRuns, ({ items }) => {
    seen = items.map(seenOf)
    return { batch_id: '', results: [], total: 0, created: 0, replayed: 0, debounced: 0, refused: 0 }
  })
  implement(app, appendEvents, async ({ events }) => {
    seen = []
    pageSizes = []
    if (events.one) {
      seen = [{ index: 0, value: events.one }]
      return answer(201, { id: null, position: null, sequence: null, run_id: null })
    }
    for await (const page of events.pages) {
      pageSizes.push(page.length)
      seen.push(...page.map(seenOf))
    }
    return answer(200, { results: [], total: 0, appended: 0, duplicates: 0, refused: 0 })
  })
})

const post = (url: string, payload: unknown, type = 'application/json') =>
  app.inject({
    method: 'POST',
    url,
    headers: { 'content-type': type },
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  })

describe('a batch', () => {
  test('a batch loses only its invalid items, each with its errors', async () => {
    const items = [{ payload: 1 }, { priority: 11 }, 'text', { nope: 1 }, { payload: 'a\0b' }, { tags: { a: '1' } }]
    expect((await post('/v1/jobs/report/runs/batch', { items })).statusCode).toBe(200)
    expect(JSON.parse(JSON.stringify(seen))).toEqual([
      { index: 0, value: { payload: 1 } },
      { index: 1, code: 'invalid', field: 'priority', message: 'priority must be <= 10' },
      { index: 2, code: 'invalid', field: 'item', message: 'item must be object' },
      { index: 3, code: 'invalid', field: 'nope', message: 'nope is not a known field' },
      { index: 4, code: 'invalid', field: 'payload', message: 'payload contains a NUL character' },
      { index: 5, value: { tags: { a: '1' } } },
    ])
  })

  test('a batch loses only the item that is nested too deeply or is too large', async () => {
    const endless = `${'['.repeat(5000)}${']'.repeat(5000)}`
    const large = JSON.stringify('x'.repeat(1024 * 1024))
    await post('/v1/jobs/report/runs/batch', `{"items": [{"payload": ${endless}}, {"payload": ${large}}, {}]}`)
    expect(seen).toEqual([
      expect.objectContaining({ index: 0, code: 'invalid' }),
      expect.objectContaining({ index: 1, code: 'too_large', message: 'Item 1 exceeds 1048576 bytes.' }),
      { index: 2, value: {} },
    ])
  })

  test.each([
    [{}, 'items'],
    [{ items: [] }, 'items'],
    [{ items: Array.from({ length: 501 }, () => ({})) }, 'items'],
    [{ items: {} }, 'items'],
    [{ items: [{}], extra: 1 }, 'extra'],
  ])('a batch that is invalid as a whole is refused as a whole', async (body, field) => {
    const reply = await post('/v1/jobs/report/runs/batch', body)
    expect(reply.statusCode).toBe(422)
    expect(reply.json().error.details.fields).toEqual([expect.objectContaining({ field })])
  })
})

describe('appended events', () => {
  test('a single event is refused by itself', async () => {
    expect((await post('/v1/events', { type: 'a.b' })).statusCode).toBe(201)
    expect(seen).toEqual([{ index: 0, value: { type: 'a.b' } }])
    const reply = await post('/v1/events', { type: 'A', level: 'loud' })
    expect(reply.statusCode).toBe(422)
    expect(reply.json().error.details.fields.map((one: { field: string }) => one.field)).toEqual(['type', 'level'])
  })

  test('an array has at most a thousand events', async () => {
    const events = (count: number) => Array.from({ length: count }, () => ({ type: 'a' }))
    expect((await post('/v1/events', events(1000))).statusCode).toBe(200)
    expect(seen).toHaveLength(1000)
    expect((await post('/v1/events', events(1001))).statusCode).toBe(422)
    expect((await post('/v1/events', [])).statusCode).toBe(422)
  })

  test('an invalid line is one refused event', async () => {
    const lines = [
      '{"type":"a"}',
      '',
      '{"type":',
      '{"type":"b","data":"\\u0000"}',
      'null',
      `{"type":"${'x'.repeat(300_000)}"}`,
      '{"type":"z"}',
    ]
    expect((await post('/v1/events', lines.join('\r\n'), NDJSON)).statusCode).toBe(200)
    expect(seen).toEqual([
      { index: 0, value: { type: 'a' } },
      { index: 1, code: 'malformed', message: expect.stringContaining('Line 3 is not valid JSON') },
      { index: 2, code: 'invalid', field: 'data', message: 'data contains a NUL character' },
      { index: 3, code: 'invalid', field: 'item', message: 'item must be object' },
      { index: 4, code: 'too_large', message: 'Line 6 exceeds 262144 bytes.' },
      { index: 5, value: { type: 'z' } },
    ])
  })

  test('events from lines reach the handler in pages, in order', async () => {
    const lines = Array.from({ length: 1201 }, (_, index) => JSON.stringify({ type: 'a', data: index }))
    await post('/v1/events', lines.join('\n'), `${NDJSON}; charset=utf-8`)
    expect(pageSizes).toEqual([500, 500, 201])
    expect(seen.map((one) => (one.value as { data: Json }).data.value)).toEqual(lines.map((_, index) => index))
  })

  test('an event that is too large is refused, alone and in an array', async () => {
    const large = { type: 'a', data: 'x'.repeat(256 * 1024) }
    const reply = await post('/v1/events', large)
    expect(reply.statusCode).toBe(413)
    expect(reply.json().error.code).toBe('too_large')
    await post('/v1/events', [{ type: 'a' }, large])
    expect(seen.map((one) => one.code)).toEqual([undefined, 'too_large'])
  })

  test('lines are accepted only by routes whose contract says so', async () => {
    const reply = await post('/v1/jobs/report/runs/batch', '{}', NDJSON)
    expect(reply.statusCode).toBe(415)
    expect(reply.json().error.code).toBe('unsupported_media_type')
  })
})

describe('reading lines', () => {
  const readAll = async (chunks: Buffer[], bounds = { lineBytesMax: 1000, linesMax: 1000 }) => {
    const lines = []
    for await (const line of readNdjson(Readable.from(chunks), bounds)) lines.push(line)
    return lines
  }

  test('the result does not depend on where the chunks are cut', async () => {
    const values = fc.array(fc.jsonValue({ maxDepth: 2 }), { minLength: 1, maxLength: 10 })
    await fc.assert(
      fc.asyncProperty(values, fc.array(fc.nat(400), { maxLength: 20 }), async (values, cuts) => {
        const bytes = Buffer.from(values.map((value) => JSON.stringify(value)).join('\n'))
        const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]
        const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end))
        const lines = await readAll(chunks, { lineBytesMax: 100_000, linesMax: 100 })
        const flawed = lines.filter((line) => line.problem?.code === 'invalid').length
        expect(lines.filter((line) => !line.problem).map((line) => line.value)).toHaveLength(values.length - flawed)
      }),
      { numRuns: 200 },
    )
  })

  test('a line of exactly the limit is read, and one byte more is not', async () => {
    const line = (length: number) => Buffer.from(`"${'x'.repeat(length - 2)}"\n`)
    const lines = await readAll([line(10), line(11), line(10)], { lineBytesMax: 10, linesMax: 10 })
    expect(lines.map((one) => one.problem?.code)).toEqual([undefined, 'too_large', undefined])
  })

  test('reading stops at the limit of lines, and says so', async () => {
    const lines = await readAll([Buffer.from('1\n2\n3\n4\n')], { lineBytesMax: 10, linesMax: 2 })
    expect(lines.map((one) => one.value ?? one.problem?.code)).toEqual([1, 2, 'invalid'])
  })

  test('an endless line is skipped without being buffered', async () => {
    // One chunk again and again, so that only what the reader holds counts.
    const chunk = Buffer.alloc(64 * 1024, 0x78)
    async function* endless() {
      for (let i = 0; i < 2000; i++) yield chunk
      yield Buffer.from('\n7\n')
    }
    const before = process.memoryUsage().arrayBuffers
    const lines = []
    for await (const line of readNdjson(endless(), { lineBytesMax: 1000, linesMax: 10 })) lines.push(line)
    expect(lines.map((one) => one.value ?? one.problem?.code)).toEqual(['too_large', 7])
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024)
  })
})
