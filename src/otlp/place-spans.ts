// Which run each span of a request belongs to: the one that it names, the one whose dispatch began its trace, or else the
// run that the trace itself is.
import type { Ctx } from '#bell/ctx.ts'
import { derivedId } from '#postgres/id.ts'
import { idsOf, type RunRow, readRuns } from '#run-state/read/read-runs.sql.ts'
import type { SpanFact } from './read-span.ts'

/** The spans of one trace that belong to one run. */
export type TracePart = {
  runId: string
  traceId: string
  /** Undefined when the trace is the run: it is made when the first of its spans is kept. */
  attachedTo: RunRow | undefined
  facts: SpanFact[]
}
export type Unplaced = { fact: SpanFact; reason: string }

const RUNS_NAMED_MAX = 100
/** Steps up a tree that a span takes over an agent or a run from. */
const HOPS_MAX = 100

export async function placeSpans(
  ctx: Pick<Ctx, 'sql'>,
  projectId: string,
  spans: readonly SpanFact[],
): Promise<{ parts: TracePart[]; unplaced: Unplaced[] }> {
  const facts = inherited(spans)
  const named = [...new Set(facts.flatMap(({ runId }) => runId ?? []))]
  const looked = new Set(named.slice(0, RUNS_NAMED_MAX))
  const dispatched = [
    ...new Set(facts.filter(({ runId }) => runId === undefined).map(({ traceId }) => uuidOf(traceId))),
  ]
  const ids = [...[...looked].flatMap((name) => idsOf(projectId, name)), ...dispatched]
  const rows = ids.length === 0 ? [] : await readRuns(ctx.sql, ids)
  const runs = new Map(rows.filter((run) => run.projectId === projectId).map((run) => [run.id, run]))
  const runOf = ({ runId, traceId }: SpanFact): RunRow | undefined => {
    const candidates = runId === undefined ? [uuidOf(traceId)] : idsOf(projectId, runId)
    return candidates.map((id) => runs.get(id)).find((run) => run !== undefined)
  }

  const parts = new Map<string, TracePart>()
  const unplaced: Unplaced[] = []
  for (const fact of facts) {
    const { runId: name, traceId } = fact
    const attachedTo = runOf(fact)
    if (name !== undefined && !attachedTo) {
      const reason = looked.has(name) ? `run ${name} not found` : `a request may name ${RUNS_NAMED_MAX} runs`
      unplaced.push({ fact, reason })
      continue
    }
    const runId = attachedTo?.id ?? derivedId(projectId, traceId)
    const key = `${runId} ${traceId}`
    const part = parts.get(key) ?? { runId, traceId, attachedTo, facts: [] }
    part.facts.push(fact)
    parts.set(key, part)
  }
  return { parts: [...parts.values()], unplaced }
}

/** A run's id has the 16 bytes of a trace's; the dispatch of a run whose trigger named no trace begins that one. */
const uuidOf = (traceId: string): string =>
  traceId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, (_, ...groups: string[]) => groups.slice(0, 5).join('-'))

/** A span that names no run or agent has that of the nearest span above it in the request, or else of its process. */
function inherited(facts: readonly SpanFact[]): SpanFact[] {
  const keyOf = (traceId: string, spanId: string) => `${traceId} ${spanId}`
  const byKey = new Map(facts.map((fact) => [keyOf(fact.traceId, fact.spanId), fact]))
  const nearest = (fact: SpanFact, name: 'runId' | 'agentId'): string | undefined => {
    let at: SpanFact | undefined = fact
    for (let hops = 0; at && hops < HOPS_MAX; hops++) {
      if (at[name] !== undefined) return at[name]
      at = at.parentSpanId === null ? undefined : byKey.get(keyOf(at.traceId, at.parentSpanId))
    }
    return undefined
  }
  return facts.map((fact) => ({
    ...fact,
    runId: nearest(fact, 'runId') ?? fact.sender.runId,
    agentId: nearest(fact, 'agentId'),
  }))
}
