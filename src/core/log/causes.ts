// The causal tree of a chain: each event is below the one that directly caused it.

export type Caused = { id: string; causationId: string | null }
export type OfRun = Caused & { runId: string | null; sequence: number | null }

/**
 * An event of a run without a cause of its own is caused by the event that the run began with. So from any event the
 * chain can be followed back, through its run, to whatever created the run.
 */
export const withRunCauses = <Event extends OfRun>(
  events: readonly Event[],
  firstOf: (event: Event) => string | undefined,
): Event[] =>
  events.map((event) => {
    if (event.causationId !== null || event.runId === null || event.sequence === 1) return event
    const first = firstOf(event)
    return first === undefined || first === event.id ? event : { ...event, causationId: first }
  })

/** `parentId` is null when the cause is not among these events. */
export type Placed<Event> = { event: Event; depth: number; parentId: string | null }

/** Depth-first order: each event comes after its cause; siblings keep the given order. */
export function treeOf<Event extends Caused>(events: readonly Event[]): Placed<Event>[] {
  const known = new Set(events.map((event) => event.id))
  const causeOf = ({ id, causationId }: Event) =>
    causationId !== null && causationId !== id && known.has(causationId) ? causationId : null
  const effects = Map.groupBy(events, causeOf)
  const placed: Placed<Event>[] = []
  const seen = new Set<string>()
  // Iterative, not recursive: a chain may be thousands of events deep.
  const below = (roots: readonly Event[]) => {
    const left: Placed<Event>[] = roots.map((event) => ({ event, depth: 0, parentId: null })).reverse()
    for (let next = left.pop(); next; next = left.pop()) {
      if (seen.has(next.event.id)) continue
      seen.add(next.event.id)
      placed.push(next)
      const { event, depth } = next
      const caused = effects.get(event.id) ?? []
      left.push(...caused.map((effect) => ({ event: effect, depth: depth + 1, parentId: event.id })).reverse())
    }
  }
  below(effects.get(null) ?? [])
  // Clients may send events that claim to have caused each other: the oldest of such a cycle becomes a root.
  for (const event of events) if (!seen.has(event.id)) below([event])
  return placed
}
