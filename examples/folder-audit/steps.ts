// The steps of an audit, in order. Each calls one tool, and says what it found in a sentence.
import { basename } from 'node:path'
import { askPerson } from './ask-person.ts'
import { askSummary } from './ask-summary.ts'
import type { Audit } from './audit.ts'
import { collectChildren, spawnChildren } from './children.ts'
import { count, findingsOf } from './findings.ts'
import { listFiles, readFiles } from './folder.ts'
import { reportOf } from './report.ts'
import type { Results, StepName } from './results.ts'
import { findDuplicates } from './tools/duplicates.ts'
import { checkHeaders } from './tools/headers.ts'
import { importGraph, resolveImports } from './tools/import-graph.ts'
import { largestFiles } from './tools/largest-files.ts'
import { countLines } from './tools/line-counts.ts'
import { roomOf } from './tools/source-file.ts'
import { checkTests } from './tools/test-presence.ts'
import { findTodos } from './tools/todos.ts'

/** What a step found, what to record of it, and what the agent makes of it. */
export type Done<Result> = { result: Result; input: unknown; output: unknown; thought?: string }

export type Step = { name: StepName; tool: string; title: string; run: (audit: Audit) => Promise<Done<unknown>> }

type Steps = {
  [Name in StepName]: { tool: string; title: string; run: (audit: Audit) => Promise<Done<Results[Name]>> }
}

// An audit of a part is short, and begins no others: two levels are enough to see how runs make runs.
const PART: readonly StepName[] = ['list', 'read', 'lines', 'largest', 'headers', 'todos', 'report']

/** A model is asked only by an agent that knows one; a resumed audit goes by what it can do now. */
export const stepsOf = ({ payload, model }: Pick<Audit, 'payload' | 'model'>): Step[] =>
  (Object.keys(STEPS) as StepName[])
    .filter((name) => payload.parent === undefined || PART.includes(name))
    .filter((name) => name !== 'summary' || model !== undefined)
    .filter((name) => name !== 'ask' || payload.askSecs > 0)
    .map((name) => ({ name, ...STEPS[name] }))

const STEPS: Steps = {
  plan: {
    tool: 'planner',
    title: 'Make a plan',
    async run(audit) {
      const steps = stepsOf(audit).map((step) => step.name)
      const { folder } = audit.payload
      const thought =
        `I am to audit ${folder}, in ${steps.length} steps: ${steps.join(', ')}. ` +
        'Sub-folders get runs of their own, which work while I look at the whole, and which I collect at the end.'
      return { result: { steps }, input: { folder }, output: { steps }, thought }
    },
  },
  list: {
    tool: 'list-files',
    title: 'List the files',
    async run({ path, payload }) {
      const result = await listFiles(path)
      const { files, folders, skipped, truncated } = result
      const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
      const thought = `${count(files.length, 'file')} in ${count(folders, 'folder')}, ${Math.ceil(bytes / 1024)} KiB.`
      const output = { files: files.length, folders, bytes, skipped, truncated }
      return { result, input: { folder: payload.folder }, output, thought }
    },
  },
  read: {
    tool: 'read-files',
    title: 'Read the files',
    async run({ path, of }) {
      const { files, ...rest } = await readFiles(path, of('list'))
      const result = { files: files.length, ...rest }
      return { result, input: { files: of('list').files.length }, output: result }
    },
  },
  spawn: { tool: 'spawn-audits', title: 'Hand sub-folders to runs of their own', run: spawnChildren },
  lines: {
    tool: 'line-counts',
    title: 'Count lines',
    async run({ texts }) {
      const files = await texts()
      const result = countLines(files)
      const { total, byRoom } = result
      const share = total.lines > 0 ? Math.round((100 * total.comment) / total.lines) : 0
      const thought =
        `${count(total.lines, 'line')}, ${share} % of them comments.` +
        (byRoom[0] ? ` Most of it is in ${byRoom[0].name}, with ${count(byRoom[0].lines, 'line')}.` : '')
      return { result, input: { files: files.length }, output: total, thought }
    },
  },
  largest: {
    tool: 'largest-files',
    title: 'Find the longest files',
    async run({ texts }) {
      const files = await texts()
      const result = largestFiles(files)
      const [longest] = result.top
      const thought = longest ? `The longest file is ${longest.path}, with ${count(longest.lines, 'line')}.` : ''
      const output = { over: result.over, lines_max: result.linesMax, longest: longest ?? null }
      return { result, input: { files: files.length }, output, thought }
    },
  },
  imports: {
    tool: 'import-graph',
    title: 'Draw the graph of imports',
    async run({ texts, surroundings, path }) {
      const [files, { aliases }] = [await texts(), await surroundings()]
      const result = importGraph(files, { aliases, folderName: basename(path) })
      const { modules, edges, cycles, rooms, packages, broken } = result
      const circles = cycles.length === 0 ? 'none of them in a circle' : `and ${count(cycles.length, 'circle')}`
      const thought = `${count(modules, 'script')} with ${count(edges, 'import')} between them, ${circles}.`
      const output = { modules, edges, cycles, room_edges: rooms.length, packages: packages.length, broken }
      return { result, input: { files: files.length, aliases: aliases.length }, output, thought }
    },
  },
  duplicates: {
    tool: 'duplicate-finder',
    title: 'Find what stands twice',
    async run({ texts }) {
      const files = await texts()
      const result = findDuplicates(files)
      const { total, lines } = result
      const thought =
        total === 0 ? 'Nothing stands twice.' : `${count(total, 'block')} stand twice, ${count(lines, 'line')} in all.`
      return { result, input: { files: files.length }, output: { total, lines }, thought }
    },
  },
  headers: {
    tool: 'header-check',
    title: 'Check licence and heads of files',
    async run({ texts, surroundings }) {
      const [files, { licences }] = [await texts(), await surroundings()]
      const result = checkHeaders(files, licences)
      const { licence, spdx, withHead, withoutHead } = result
      const output = { licence, spdx, with_head: withHead, without_head: withoutHead }
      return { result, input: { files: files.length }, output }
    },
  },
  todos: {
    tool: 'todo-finder',
    title: 'Find unfinished work',
    async run({ texts }) {
      const files = await texts()
      const result = findTodos(files)
      const { total, withoutIssue } = result
      return { result, input: { files: files.length }, output: { total, without_issue: withoutIssue } }
    },
  },
  tests: {
    tool: 'test-presence',
    title: 'See which files have tests',
    async run({ texts, surroundings, path }) {
      const [files, { aliases, tests }] = [await texts(), await surroundings()]
      const { edges } = resolveImports([...files, ...tests], { aliases, folderName: basename(path) })
      const result = checkTests([...files, ...tests], edges)
      const { scripts, own, imported, none } = result.total
      const thought = `Of ${count(scripts, 'script')}, ${own} have a test of their own, ${imported} are imported by one.`
      const input = { files: files.length, tests_beside: tests.length }
      return { result, input, output: { scripts, own, imported, none }, thought }
    },
  },
  collect: { tool: 'collect-audits', title: 'Wait for the parts', run: collectChildren },
  summary: { tool: 'ask-model', title: 'Ask a model what it thinks', run: askSummary },
  ask: { tool: 'ask-person', title: 'Ask whether to write the report', run: askPerson },
  report: {
    tool: 'write-report',
    title: 'Write the report',
    async run({ payload, results, handling, of }) {
      const findings = findingsOf(results)
      const markdown = reportOf({ folder: payload.folder, results })
      await handling.attempt.output({ output_key: 'report', value: markdown, schema: { type: 'string' } })
      const thought = findings.length > 0 ? `To be told first: ${findings[0]}` : 'There is nothing to complain about.'
      const result = { bytes: Buffer.byteLength(markdown), findings }
      return { result, input: { steps: Object.keys(results), rooms: roomsOf(of('list')) }, output: result, thought }
    },
  },
}

const roomsOf = ({ files }: Results['list']): number => new Set(files.map(({ path }) => roomOf(path))).size
