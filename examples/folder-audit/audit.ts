// One attempt at an audit: does the steps that no attempt before it has done, records each, and keeps a checkpoint
// after it. A kill in the middle of a step costs that step and nothing else.
import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from '#sdk/client.ts'
import type { Handling } from '#sdk/worker/execute.ts'
import { ReturnRun } from '#sdk/worker/lease.ts'
import { findFolder, readFiles } from './folder.ts'
import type { Model } from './model.ts'
import { type AuditResult, type Payload, type Results, readPayload, type StepName } from './results.ts'
import { type Step, stepsOf } from './steps.ts'
import { readSurroundings, type Surroundings } from './surroundings.ts'
import type { SourceFile } from './tools/source-file.ts'

export type AuditOptions = {
  /** Reads runs and outputs of children; the attempt's own calls go by its token. */
  client: Client
  /** Nothing outside of it is ever audited. */
  root: string
  model: Model | undefined
}

/** What a step works with. */
export type Audit = AuditOptions & {
  handling: Handling<unknown>
  payload: Payload
  /** The real path of the audited folder. */
  path: string
  /** What the steps before have left; a step that is missing here was not done. */
  results: Partial<Results>
  of: <Name extends StepName>(name: Name) => Results[Name]
  /** The files with their text, read when they are first asked for: also again, after a resumption. */
  texts: () => Promise<SourceFile[]>
  surroundings: () => Promise<Surroundings>
  /** Says aloud what the agent makes of things: streamed to whoever watches. */
  think: (text: string) => Promise<void>
}

const CHECKPOINT_VERSION = 1
type Checkpoint = { version: number; folder: string; results: Partial<Results> }

export async function auditFolder(handling: Handling<unknown>, options: AuditOptions): Promise<AuditResult> {
  const payload = readPayload(handling.payload)
  const audit = await beginAudit(handling, payload, options)
  const steps = stepsOf(audit)
  await tellBeginning(audit, steps)
  const beganMs = performance.now()
  const left = steps.filter((step) => audit.results[step.name] === undefined)
  for (const [index, step] of left.entries()) {
    handling.signal.throwIfAborted()
    const msPerStep = (performance.now() - beganMs) / Math.max(index, 1)
    await handling.attempt.progress({
      percent: Math.round((100 * (steps.length - left.length + index)) / steps.length),
      step: step.name,
      message: step.title,
      ...(index > 0 && { eta_secs: Math.ceil((msPerStep * (left.length - index)) / 1000) }),
    })
    await doStep(audit, step)
    await delay(payload.paceMs, undefined, { signal: handling.signal })
  }
  await handling.attempt.progress({ percent: 100, message: 'Done' })
  await handling.attempt.stream({ chunk: '', stream_id: 'reasoning', done: true })
  return resultOf(audit)
}

async function beginAudit(handling: Handling<unknown>, payload: Payload, options: AuditOptions): Promise<Audit> {
  const { attempt, checkpoint } = handling
  const path = await findFolder(options.root, payload.folder)
  const kept = checkpoint?.state as Checkpoint | undefined
  // The checkpoint of another version of this agent, or of a replay with another payload, is no beginning for this.
  const fits = kept?.version === CHECKPOINT_VERSION && kept.folder === payload.folder
  const results: Partial<Results> = fits ? kept.results : {}
  let texts: Promise<SourceFile[]> | undefined
  let surroundings: Promise<Surroundings> | undefined
  const audit: Audit = {
    ...options,
    handling,
    payload,
    path,
    results,
    of: (name) => {
      const result = results[name]
      if (result === undefined) throw new Error(`the step ${name} comes too late`)
      return result
    },
    texts: () => (texts ??= readFiles(path, audit.of('list')).then((reading) => reading.files)),
    surroundings: () => (surroundings ??= readSurroundings(options.root, path)),
    async think(text) {
      for (const [piece] of text.matchAll(/(?:\S+\s*){1,6}/g)) {
        await attempt.stream({ chunk: piece, stream_id: 'reasoning' })
      }
      await attempt.stream({ chunk: '\n', stream_id: 'reasoning' })
    },
  }
  return audit
}

async function tellBeginning({ handling, payload, results }: Audit, steps: readonly Step[]): Promise<void> {
  const { attempt, run, checkpoint, previousError } = handling
  const done = steps.map((step) => step.name).filter((name) => results[name] !== undefined)
  if (done.length === 0) {
    await attempt.log({ message: `Auditing ${payload.folder}` })
    return
  }
  await attempt.log({
    type: 'audit.resumed',
    message: `Attempt ${run.attempt} goes on after checkpoint ${checkpoint?.number}; it skips ${done.join(', ')}`,
    data: { checkpoint: checkpoint?.number, skipped: done, previous_error: previousError },
  })
}

async function doStep(audit: Audit, step: Step): Promise<void> {
  const { attempt, signal } = audit.handling
  const beganMs = performance.now()
  const record = (call: { status: string; output: unknown; input?: unknown }) =>
    attempt.toolCall({ tool_name: step.tool, step: step.name, duration_ms: msSince(beganMs), ...call })
  const done = await step.run(audit).catch(async (error: unknown) => {
    // Being told to stop, or having nothing to do for now, is no failure of the tool.
    if (!signal.aborted && !(error instanceof ReturnRun)) {
      await record({ status: 'failed', output: { error: error instanceof Error ? error.message : String(error) } })
    }
    throw error
  })
  await record({ status: 'completed', input: done.input, output: done.output })
  // The tools run on this machine and cost nothing; a step that used a model books it by itself.
  await attempt.usage({ provider: 'local', model: step.tool })
  if (done.thought) await audit.think(done.thought)
  await attempt.log({ message: `${step.title}: done`, data: done.output })
  Object.assign(audit.results, { [step.name]: done.result })
  const state: Checkpoint = { version: CHECKPOINT_VERSION, folder: audit.payload.folder, results: audit.results }
  await attempt.checkpoint({ state, source: 'folder-audit' })
}

/** To the microsecond: what is beyond it is noise, and ugly. */
const msSince = (beganMs: number): number => Math.round((performance.now() - beganMs) * 1000) / 1000

function resultOf({ payload, of, results }: Audit): AuditResult {
  return {
    folder: payload.folder,
    files: of('read').files,
    lines: of('lines').total.lines,
    findings: results.report?.findings ?? [],
    report: 'report',
  }
}
