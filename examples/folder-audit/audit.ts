// The job: an audit of a folder, step by step. What a step has found is kept, so a kill in the middle of one costs that
// step and nothing else.
import { basename } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AttemptFailed, defineJob, type JobContext } from 'runyard'
import { askSummary } from './ask-summary.ts'
import { count, findingsOf } from './findings.ts'
import { findFolder, listFiles, readFiles } from './folder.ts'
import type { Model } from './model.ts'
import { reportOf } from './report.ts'
import { type AuditResult, Payload, type Results, type StepName } from './results.ts'
import { readSurroundings } from './surroundings.ts'
import { findDuplicates } from './tools/duplicates.ts'
import { checkHeaders } from './tools/headers.ts'
import { importGraph, resolveImports } from './tools/import-graph.ts'
import { largestFiles } from './tools/largest-files.ts'
import { countLines } from './tools/line-counts.ts'
import { byMost, roomOf } from './tools/source-file.ts'
import { checkTests } from './tools/test-presence.ts'
import { findTodos } from './tools/todos.ts'
import { WORDS } from './words.ts'

export type AuditOptions = {
  /** Nothing outside of it is ever audited. */
  root: string
  model?: Model | undefined
}

const CHILDREN_MAX = 12
// An audit of a part is short, and begins no others: two levels are enough to see how runs make runs.
const PART: readonly StepName[] = ['list', 'read', 'lines', 'largest', 'headers', 'todos', 'report']

export const folderAudit = ({ root, model }: AuditOptions) =>
  defineJob('folder-audit', {
    name: 'Audit of a folder',
    description:
      'Reads a folder of source code, lets tools look at it, and writes a report. See examples/folder-audit.',
    queue: 'demo',
    payload: Payload,
    timeoutSecs: 900,
    // Killing the agent is part of the demo, and must not exhaust the run's attempts.
    maxAttempts: 10,
    retryStrategy: 'fixed',
    retryInitialDelaySecs: 0,
    async run(context): Promise<AuditResult> {
      const { folder, parent } = context.payload
      const path = await findFolder(root, folder)
      const steps = stepsOf(context.payload, model)
      const { audited, results, think } = await beginAudit(context, steps)

      await audited('plan', () => ({ steps }))
      const list = await audited('list', () => listFiles(path))
      await audited('read', async () => {
        const { files, ...rest } = await readFiles(path, list!)
        return { files: files.length, ...rest }
      })
      // Read once more by an attempt that continues: texts are not kept.
      const { files } = await readFiles(path, list!)
      const { aliases, licences, tests } = await readSurroundings(root, path)
      const folderName = basename(path)

      const parts = parent === undefined ? partsOf(context, list!) : []
      await audited('spawn', async () => {
        const children = []
        for (const part of parts.slice(0, CHILDREN_MAX)) {
          children.push({ folder: part.folder, runId: await part.child.start() })
        }
        return { children, leftOut: parts.length - children.length }
      })
      await audited('lines', () => countLines(files))
      await audited('largest', () => largestFiles(files))
      await audited('imports', () => importGraph(files, { aliases, folderName }))
      await audited('duplicates', () => findDuplicates(files))
      await audited('headers', () => checkHeaders(files, licences))
      await audited('todos', () => findTodos(files))
      await audited('tests', () => {
        const all = [...files, ...tests]
        return checkTests(all, resolveImports(all, { aliases, folderName }).edges)
      })
      await audited('collect', async () => {
        const { children } = results.spawn!
        const ends = await context.allSettled(parts.slice(0, CHILDREN_MAX).map((part) => part.child))
        return {
          children: children.map((child, index) => {
            const end = ends[index]!
            if (end.status === 'fulfilled') return { ...child, status: 'completed', result: end.value as AuditResult }
            return { ...child, status: (end.reason as { status?: string }).status ?? 'unknown', result: null }
          }),
        }
      })
      await audited('summary', () => askSummary(context, { model: model!, folder, results }))
      await audited('ask', () => askPerson(context, findingsOf(results)))
      const report = await audited('report', async () => {
        const markdown = reportOf({ folder, results })
        await context.attempt.output({ output_key: 'report', value: markdown, schema: { type: 'string' } })
        return { bytes: Buffer.byteLength(markdown), findings: findingsOf(results) }
      })
      await context.progress(100, 'Done')
      await think.end()
      return {
        folder,
        files: results.read!.files,
        lines: results.lines!.total.lines,
        findings: report!.findings,
        report: 'report',
      }
    },
  })

/** A model is asked only by an agent that knows one. */
const stepsOf = ({ parent, ask_secs }: Payload, model: Model | undefined): StepName[] =>
  (Object.keys(WORDS) as StepName[])
    .filter((name) => parent === undefined || PART.includes(name))
    .filter((name) => name !== 'summary' || model !== undefined)
    .filter((name) => name !== 'ask' || ask_secs > 0)

async function beginAudit(context: JobContext<Payload>, steps: readonly StepName[]) {
  const { step, progress, log, stream, attempt, run, payload, signal, previousError } = context
  const results: Partial<Results> = {}
  const think = stream('reasoning')
  const skipped = (await context.finishedSteps()).filter((name) => (steps as string[]).includes(name))
  if (skipped.length === 0) await log(`Auditing ${payload.folder}`)
  else {
    const message = `Attempt ${run.attempt} continues after ${skipped.at(-1)}; it skips ${skipped.join(', ')}`
    await log(message, { skipped, previous_error: previousError }, { type: 'audit.resumed' })
  }

  /** Does a step, and says so: once in the life of the run, and not at all if it is not part of this audit. */
  async function audited<Name extends StepName>(name: Name, work: () => Results[Name] | Promise<Results[Name]>) {
    if (!steps.includes(name)) return undefined
    const { tool, title, said } = WORDS[name]
    if (!skipped.includes(name))
      await progress(Math.round((100 * steps.indexOf(name)) / steps.length), title, { step: name })
    const result = (await step(name, work, { tool, output: (it) => said(it as Results[Name]).output })) as Results[Name]
    results[name] = result
    if (skipped.includes(name)) return result
    // The tools run on this machine and cost nothing; a step that used a model books it by itself.
    await attempt.usage({ provider: 'local', model: tool })
    const { output, thought } = said(result)
    for (const [words] of (thought ? `${thought}\n` : '').matchAll(/(?:\S+\s*){1,6}/g)) await think.write(words)
    await log(`${title}: done`, output)
    await delay(payload.pace_ms, undefined, { signal })
    return result
  }
  return { audited, results, think }
}

/** The run rests until somebody answers, or nobody has objected in time. */
async function askPerson({ ask, payload }: JobContext<Payload>, findings: string[]): Promise<Results['ask']> {
  const { folder, ask_secs: expiresInSecs } = payload
  const { approved, answered } = await ask('write the report', {
    prompt: `Shall I write the report on ${folder}? I have ${count(findings.length, 'finding')}.`,
    params: { folder, findings: findings.slice(0, 5) },
    expiresInSecs,
    onExpiry: { approved: true },
  })
  if (!approved) throw new AttemptFailed('the report was not wanted', { code: 'not_wanted', retryable: false })
  return { approved, answered }
}

/** The sub-folders, largest first, with the runs that audit them. */
function partsOf({ child, run, payload }: JobContext<Payload>, { files }: Results['list']) {
  return [...Map.groupBy(files, (file) => roomOf(file.path))]
    .filter(([room]) => room !== '.')
    .sort(
      byMost(
        ([, inside]) => inside.length,
        ([room]) => room,
      ),
    )
    .map(([room]) => {
      const folder = `${payload.folder.replace(/\/+$/, '')}/${room}`
      const part = { folder, parent: run.id, pace_ms: payload.pace_ms }
      // Before other audits, which would only spawn more.
      return {
        folder,
        child: child(`part ${room}`, 'folder-audit', part, { priority: Math.min(10, run.priority + 1) }),
      }
    })
}
