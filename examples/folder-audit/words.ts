// What the agent says about each step: the tool that it uses, what is recorded of the result, and what it makes of it.
import { count } from './findings.ts'
import type { Results } from './results.ts'

type Said = { output: unknown; thought?: string }
type Words<Result> = { tool: string; title: string; said: (result: Result) => Said }

export const WORDS: { [Name in keyof Results]: Words<Results[Name]> } = {
  plan: {
    tool: 'planner',
    title: 'Make a plan',
    said: ({ steps }) => ({
      output: { steps },
      thought:
        `I am going to audit the folder in ${steps.length} steps: ${steps.join(', ')}. ` +
        'Sub-folders get runs of their own, which work while I look at the whole, and which I collect at the end.',
    }),
  },
  list: {
    tool: 'list-files',
    title: 'List the files',
    said({ files, folders, skipped, truncated }) {
      const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
      const thought = `${count(files.length, 'file')} in ${count(folders, 'folder')}, ${Math.ceil(bytes / 1024)} KiB.`
      return { output: { files: files.length, folders, bytes, skipped, truncated }, thought }
    },
  },
  read: { tool: 'read-files', title: 'Read the files', said: (output) => ({ output }) },
  spawn: {
    tool: 'spawn-audits',
    title: 'Hand sub-folders to runs of their own',
    said: ({ children, leftOut }) => ({
      output: { children: children.map((child) => child.folder), left_out: leftOut },
      thought: children.length > 0 ? `${count(children.length, 'sub-folder')} are now audited by themselves.` : '',
    }),
  },
  lines: {
    tool: 'line-counts',
    title: 'Count lines',
    said({ total, byRoom: [largest] }) {
      const share = total.lines > 0 ? Math.round((100 * total.comment) / total.lines) : 0
      const most = largest ? ` Most of it is in ${largest.name}, with ${count(largest.lines, 'line')}.` : ''
      return { output: total, thought: `${count(total.lines, 'line')}, ${share} % of them comments.${most}` }
    },
  },
  largest: {
    tool: 'largest-files',
    title: 'Find the longest files',
    said: ({ top: [longest], over, linesMax }) => ({
      output: { over, lines_max: linesMax, longest: longest ?? null },
      thought: longest ? `The longest file is ${longest.path}, with ${count(longest.lines, 'line')}.` : '',
    }),
  },
  imports: {
    tool: 'import-graph',
    title: 'Draw the graph of imports',
    said({ modules, edges, cycles, rooms, packages, broken }) {
      const circles = cycles.length === 0 ? 'none of them in a circle' : `and ${count(cycles.length, 'circle')}`
      return {
        output: { modules, edges, cycles, room_edges: rooms.length, packages: packages.length, broken },
        thought: `${count(modules, 'script')} with ${count(edges, 'import')} between them, ${circles}.`,
      }
    },
  },
  duplicates: {
    tool: 'duplicate-finder',
    title: 'Find duplicates',
    said: ({ total, lines }) => ({
      output: { total, lines },
      thought: total === 0 ? 'No duplicates.' : `${count(total, 'block')} occur twice, ${count(lines, 'line')} in all.`,
    }),
  },
  headers: {
    tool: 'header-check',
    title: 'Check licence and heads of files',
    said: ({ licence, spdx, withHead, withoutHead }) => ({
      output: { licence, spdx, with_head: withHead, without_head: withoutHead },
    }),
  },
  todos: {
    tool: 'todo-finder',
    title: 'Find unfinished work',
    said: ({ total, withoutIssue }) => ({ output: { total, without_issue: withoutIssue } }),
  },
  tests: {
    tool: 'test-presence',
    title: 'See which files have tests',
    said: ({ total: { scripts, own, imported, none } }) => ({
      output: { scripts, own, imported, none },
      thought: `Of ${count(scripts, 'script')}, ${own} have a test of their own, ${imported} are imported by one.`,
    }),
  },
  collect: {
    tool: 'collect-audits',
    title: 'Wait for the parts',
    said({ children }) {
      const completed = children.filter((child) => child.result !== null).length
      const findings = children.reduce((sum, child) => sum + (child.result?.findings.length ?? 0), 0)
      const thought = `${completed} of ${count(children.length, 'part')} came back, with ${count(findings, 'finding')}.`
      return { output: { completed, findings }, ...(children.length > 0 && { thought }) }
    },
  },
  summary: { tool: 'ask-model', title: 'Ask a model what it thinks', said: (output) => ({ output }) },
  ask: {
    tool: 'ask-person',
    title: 'Ask whether to write the report',
    said: (output) => ({ output, thought: output.answered ? 'I may write it.' : 'Nobody objects, so I write it.' }),
  },
  report: {
    tool: 'write-report',
    title: 'Write the report',
    said: (output) => ({
      output,
      thought: output.findings[0] ? `To be told first: ${output.findings[0]}` : 'There is nothing to complain about.',
    }),
  },
}
