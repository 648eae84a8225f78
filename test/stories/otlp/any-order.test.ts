// The parts of a trace in any order, at once and again: the run that comes of it is the same.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Call, httpYard, until } from '#test/support/http-yard.ts'
import { newTraceId, TRACES } from './exporter.ts'

type Span = { traceId: string; spanId: string; parentSpanId?: string }
type Request = { resourceSpans: { resource: object; scopeSpans: { scope: object; spans: Span[] }[] }[] }

const [recorded] = JSON.parse(readFileSync(new URL('./recorded/vercel.json', import.meta.url), 'utf8')) as [Request]
const { resource, scopeSpans } = recorded.resourceSpans[0]!
/** Without the root: a request that serves an agent, and is of none, is put above it. */
const SPANS = [
  ...scopeSpans[0]!.spans.map((span) => (span.parentSpanId ? span : { ...span, parentSpanId: 'ab'.repeat(8) })),
  {
    traceId: '',
    spanId: 'ab'.repeat(8),
    name: 'POST /weather',
    startTimeUnixNano: '1700000000000000000',
    endTimeUnixNano: '1700000001000000000',
  },
]

/** As exporters do: a part that waited too long for the others of its trace is answered 503, and is sent again. */
async function send(call: Call, traceId: string, spans: readonly Span[]): Promise<void> {
  const own = spans.map((span) => ({ ...span, traceId }))
  const request = { resourceSpans: [{ resource, scopeSpans: [{ scope: scopeSpans[0]!.scope, spans: own }] }] }
  const reply = await until(
    () => call('POST', TRACES, request),
    ({ status }) => status !== 503,
    60_000,
  )
  expect(reply).toMatchObject({ status: 200, body: {} })
}

/** What the run tells, whatever the order in which it was told. */
async function storyOf(call: Call, traceId: string) {
  const { body: events } = await call('GET', `/v1/runs/${traceId}/events`)
  const { body: usage } = await call('GET', `/v1/runs/${traceId}/usage`)
  const { body: tools } = await call('GET', `/v1/runs/${traceId}/tool-calls`)
  const { body: run } = await call('GET', `/v1/runs/${traceId}`)
  const lines = events.data.map((it: { type: string; data: { span_id: string; parent_span_id?: string } }) =>
    [it.type, it.data.span_id, it.data.parent_span_id].join(' '),
  )
  return { status: run.status, lines: lines.sort(), totals: usage.totals, tools: tools.data.length }
}

test('the same spans make the same run, in any order, in any parts and however often', {
  timeout: 300_000,
}, async () => {
  const { call } = await httpYard()
  const first = newTraceId()
  await send(call, first, SPANS)
  const story = await storyOf(call, first)
  expect(story).toMatchObject({ status: 'completed', totals: { calls: 2 }, tools: 1 })
  expect(story.lines).toHaveLength(SPANS.length + 1)
  const orders = fc.tuple(
    fc.shuffledSubarray([...SPANS], { minLength: SPANS.length }),
    fc.subarray([...SPANS]),
    fc.integer({ min: 1, max: 4 }),
    fc.boolean(),
  )
  await fc.assert(
    fc.asyncProperty(orders, async ([shuffled, again, size, atOnce]) => {
      const traceId = newTraceId()
      const all = [...shuffled, ...again]
      const parts: Span[][] = []
      for (let at = 0; at < all.length; at += size) parts.push(all.slice(at, at + size))
      if (atOnce) await Promise.all(parts.map((part) => send(call, traceId, part)))
      else for (const part of parts) await send(call, traceId, part)
      expect(await storyOf(call, traceId)).toEqual(story)
    }),
    { numRuns: 15 },
  )
})
