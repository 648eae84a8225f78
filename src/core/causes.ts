// The tree inside a chain of causes: each event stands below the one that directly caused it.

export type Caused = { id: string; causationId: string | null }
export type OfRun = Caused & { runId: string | null; sequence: number | null }

/**
 * An event of a run that names no cause of its own was brought about by the run itself: its cause is the event that the
 * run began with. So from any event the chain can be read back, through its run, to what made the run.
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

/** `parentId` is null for what nothing among these events caused. */
export type Placed<Event> = { event: Event; depth: number; parentId: string | null }

/** Each event after its cause and before what its cause brought about later; siblings in the order given. */
export function treeOf<Event extends Caused>(events: readonly Event[]): Placed<Event>[] {
  const known = new Set(events.map((event) => event.id))
  const causeOf = ({ id, causationId }: Event) =>
    causationId !== null && causationId !== id && known.has(causationId) ? causationId : null
  const effects = Map.groupBy(events, causeOf)
  const placed: Placed<Event>[] = []
  const seen = new Set<string>()
  // A list and no recursion: a chain may be thousands of events deep.
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
  // Clients may say that two events caused each other: then the oldest of such a circle begins it.
  for (const event of events) if (!seen.has(event.id)) below([event])
  return placed
}
