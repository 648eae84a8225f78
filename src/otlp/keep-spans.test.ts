import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Known, keepSpans } from './keep-spans.ts'

type Span = { spanId: string; parentSpanId: string | null; isOfAgent: boolean }
const isOfAgent = (span: Span): boolean => span.isOfAgent

/** A trace: each span is below an earlier one, or below one that never arrives. */
const traces = fc
  .array(fc.record({ parent: fc.nat(), isOfAgent: fc.boolean(), isOrphan: fc.integer({ min: 0, max: 9 }) }), {
    minLength: 1,
    maxLength: 25,
  })
  .map((drawn) =>
    drawn.map(({ parent, isOfAgent, isOrphan }, index): Span => {
      const above = index === 0 ? null : isOrphan === 0 ? 'lost' : `s${parent % index}`
      return { spanId: `s${index}`, parentSpanId: above, isOfAgent }
    }),
  )

/** As requests of up to four spans, some of them sent again. */
const sendings = (trace: readonly Span[]) =>
  fc
    .tuple(
      fc.shuffledSubarray([...trace], { minLength: trace.length }),
      fc.array(fc.constantFrom(...trace), { maxLength: 9 }),
    )
    .chain(([all, again]) =>
      fc.tuple(
        fc.shuffledSubarray([...all, ...again], { minLength: all.length + again.length }),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: all.length + again.length, maxLength: 40 }),
      ),
    )
    .map(([spans, sizes]) => {
      const requests: Span[][] = []
      for (let at = 0, size = 0; at < spans.length; at += sizes[size++]!)
        requests.push(spans.slice(at, at + sizes[size]!))
      return requests.filter((request) => request.length > 0)
    })

function receive(requests: readonly (readonly Span[])[]): { kept: Set<string>; root: string | undefined } {
  const known = new Map<string, Known<Span>>()
  const kept = new Set<string>()
  let root: string | undefined
  for (const request of requests) {
    const arrived = [...new Map(request.map((span) => [span.spanId, span])).values()]
    const result = keepSpans(arrived, isOfAgent, known)
    for (const { spanId } of result.kept) kept.add(spanId)
    for (const [spanId, value] of result.changed) known.set(spanId, value)
    root = result.root?.spanId ?? root
  }
  return { kept, root }
}

/** What is to be kept: spans of agents, and every span above one. */
function wanted(trace: readonly Span[]): Set<string> {
  const byId = new Map(trace.map((span) => [span.spanId, span]))
  const ids = new Set<string>()
  for (const span of trace.filter(isOfAgent))
    for (let at: Span | undefined = span; at; at = at.parentSpanId === null ? undefined : byId.get(at.parentSpanId))
      ids.add(at.spanId)
  return ids
}

describe('the spans that are kept', () => {
  test('are those of agents and all above them, in whatever order, parts and repetitions they arrive', () => {
    fc.assert(
      fc.property(
        traces.chain((trace) => fc.tuple(fc.constant(trace), sendings(trace))),
        ([trace, requests]) => {
          const { kept, root } = receive(requests)
          expect([...kept].sort()).toEqual([...wanted(trace)].sort())
          expect(root).toBe(wanted(trace).has('s0') ? 's0' : undefined)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test('end where spans claim to be above each other', () => {
    const circle: Span[] = [
      { spanId: 'a', parentSpanId: 'b', isOfAgent: false },
      { spanId: 'b', parentSpanId: 'a', isOfAgent: false },
      { spanId: 'c', parentSpanId: 'a', isOfAgent: true },
    ]
    expect([...receive([circle]).kept].sort()).toEqual(['a', 'b', 'c'])
    expect([...receive(circle.map((span) => [span])).kept].sort()).toEqual(['a', 'b', 'c'])
  })

  test('hold no more than a thousand spans of no agent of a trace', () => {
    const spans = Array.from(
      { length: 5_000 },
      (_, index): Span => ({ spanId: `s${index}`, parentSpanId: 'x', isOfAgent: false }),
    )
    expect(keepSpans(spans, isOfAgent, new Map()).changed.size).toBe(1_000)
  })
})
