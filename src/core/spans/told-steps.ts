// Steps that are told of when they have ended, after what happened in them: what names its cause is below the step
// around that cause.

/** What is looked at of a span. */
type Placed = { kind: string; sequence: number; parent: number | null; changed: number; fromMs: number }

/** A call or step, and the event that caused it: that of the step or call around it, which may be told of later. */
export type Told<Span extends Placed> = { span: Span; causationId: string | null }

/** `told` is by the id of the event that told of it. */
export function putIntoSteps<Span extends Placed>(told: ReadonlyMap<string, Told<Span>>): void {
  for (const { span, causationId } of told.values()) {
    const step = stepAround(told, span, causationId)
    if (!step) continue
    span.parent = step.sequence
    span.changed = Math.max(span.changed, step.sequence)
  }
}

const CAUSES_MAX = 100

/** The nearest step among the causes; none if they lead back to the span, or in a circle. */
function stepAround<Span extends Placed>(
  told: ReadonlyMap<string, Told<Span>>,
  span: Span,
  causationId: string | null,
): Span | undefined {
  let nearest: Span | undefined
  let at = causationId
  for (let hops = 0; at !== null; hops++) {
    const cause = told.get(at)
    if (!cause) return nearest
    if (cause.span === span || hops === CAUSES_MAX) return undefined
    if (cause.span.kind === 'step') nearest ??= cause.span
    at = cause.causationId
  }
  return nearest
}
