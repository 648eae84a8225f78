// Which spans of a trace are kept: those of agents, and those above them, without which there would be no tree. A
// request holds a part of a trace, in any order, so what was wanted and what was seen is remembered between requests.
// Both only grow: whatever the order in which spans arrive, the same ones are kept in the end.

/** What is remembered of a span that is of no agent. */
export type Known<Span> = {
  /** A span that is kept is below it. */
  isWanted: boolean
  /** Undefined until it is seen. */
  span: Span | undefined
}

type Placed = { spanId: string; parentSpanId: string | null }
export type KnownSpans<Span> = ReadonlyMap<string, Known<Span>>

export type Kept<Span> = {
  /** In the order of arrival, those that were waited for last. */
  kept: Span[]
  /** What is to be remembered, by the id of the span. */
  changed: Map<string, Known<Span>>
  /** The root of the trace, once it is kept. */
  root: Span | undefined
}

/** Spans of no agent that are remembered for one trace; beyond this, those that come are not. */
const HELD_MAX = 1_000

export function keepSpans<Span extends Placed>(
  arrived: readonly Span[],
  isOfAgent: (span: Span) => boolean,
  known: KnownSpans<Span>,
): Kept<Span> {
  const changed = new Map<string, Known<Span>>()
  const ofAgents = new Map(arrived.filter(isOfAgent).map((span) => [span.spanId, span]))
  const others = new Map(arrived.filter((span) => !isOfAgent(span)).map((span) => [span.spanId, span]))
  const kept = new Map(ofAgents)
  const at = (spanId: string): Known<Span> =>
    changed.get(spanId) ?? known.get(spanId) ?? { isWanted: false, span: undefined }

  let room = HELD_MAX - known.size
  const remember = (spanId: string, value: Known<Span>): void => {
    if (!known.has(spanId) && !changed.has(spanId) && room-- <= 0) return
    changed.set(spanId, value)
  }
  for (const [spanId, span] of others) {
    const { isWanted, span: seen } = at(spanId)
    if (isWanted) kept.set(spanId, span)
    if (!seen) remember(spanId, { isWanted, span })
  }

  // Upwards from each one that is kept, to the first that is known to be wanted already.
  const climb = [...kept.values()]
  for (let next = climb.pop(); next; next = climb.pop()) {
    const parentId = next.parentSpanId
    if (parentId === null || ofAgents.has(parentId)) continue
    const above = at(parentId)
    const span = others.get(parentId) ?? above.span
    if (!above.isWanted) remember(parentId, { isWanted: true, span })
    if (span && !above.isWanted && !kept.has(parentId)) {
      kept.set(parentId, span)
      climb.push(span)
    }
  }
  const wanted = [...known.values()].flatMap(({ isWanted, span }) => (isWanted && span ? [span] : []))
  const root = [...kept.values(), ...wanted].find(({ parentSpanId }) => parentSpanId === null)
  return { kept: [...kept.values()], changed, root }
}
