// What runs are chosen by, from the words of a list's query or an operation's body to what storage looks for.
import type { Static, TObject } from 'typebox'
import type { Ctx } from '#bell/ctx.ts'
import type { runFilter } from '#contract/runs/run-filter.ts'
import { refuseField } from '#core/error.ts'
import type { Json } from '#core/json/json.ts'
import { requireJob } from '#jobs/require-job.ts'
import { findChain } from '#log/find-event.sql.ts'
import { firstCarried, type LabelKind } from '#run-state/labels.sql.ts'
import type { RunConditions } from '#run-state/read/count-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { WHOLE } from '../input/field-path.ts'
import { findFlaws, type ParsedJson, parseJsonText } from '../input/json.ts'
import { type Label, labelsMeant } from './words.ts'

type Filter = Static<TObject<typeof runFilter>>
export type AskedRuns = { [Name in keyof Filter]?: Filter[Name] | undefined }

/** `under` is the name of the field that holds the filter, for what is told of its fields. */
export async function runConditions(ctx: Ctx, projectId: string, asked: AskedRuns, under = ''): Promise<RunConditions> {
  const { job, status, tag, metadata, payload_contains, parent_run_id, correlation_id, ...as_they_are } = asked
  const { triggered_by, batch_id, queue, agent_id, created_from, created_to, ...ended } = as_they_are
  const { finished_from, finished_to, error_code, error_group, ...forgotten } = ended
  // A filter that is not looked for would choose every run: to cancel, or to replay.
  forgotten satisfies { [Name in keyof typeof forgotten]: never }
  return {
    states: status,
    jobId: job === undefined ? undefined : (await requireJob(ctx, projectId, job)).id,
    tags: tag && (await labelsOf(ctx, projectId, 'tag', tag)),
    metadata: metadata && (await labelsOf(ctx, projectId, 'metadata', metadata)),
    triggeredBy: triggered_by,
    batchId: batch_id,
    parentRunId: parent_run_id === undefined ? undefined : (await requireRun(ctx, projectId, parent_run_id)).id,
    correlationId: correlation_id === undefined ? undefined : await findChain(ctx.reads, projectId, correlation_id),
    queue,
    agentId: agent_id,
    createdFrom: created_from,
    createdTo: created_to,
    finishedFrom: finished_from,
    finishedTo: finished_to,
    errorCode: error_code,
    errorGroup: error_group,
    payloadContains: payload_contains === undefined ? undefined : jsonOf(payload_contains, `${under}payload_contains`),
  }
}

/** Runs are found by one label each: of what a text may mean, the first that there is. */
const labelsOf = (ctx: Ctx, projectId: string, kind: LabelKind, texts: readonly string[]): Promise<Label[]> =>
  Promise.all(
    texts.map(async (text) => {
      const meant = labelsMeant(text)
      return meant.length === 1 ? meant[0]! : ([...(await firstCarried(ctx.reads, projectId, kind, meant))] as Label)
    }),
  )

/** JSON in a text, read as strictly as a body. */
export function jsonOf(text: string, field: string): string {
  let parsed: ParsedJson
  try {
    parsed = parseJsonText(text, field, { here: 'any' })
  } catch {
    throw refuseField(field, 'is not JSON')
  }
  const [flaw] = parsed.suspect ? findFlaws(parsed.value) : []
  if (flaw) throw refuseField(flaw.field === WHOLE ? field : `${field}.${flaw.field}`, flaw.message)
  return (parsed.value as Json).text
}
