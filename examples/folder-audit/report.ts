// The report: Markdown that a person reads from the top, with the findings first and the tables after them.
import { count, findingsOf } from './findings.ts'
import type { Results } from './results.ts'

export type ReportOf = { folder: string; results: Partial<Results> }

export function reportOf({ folder, results }: ReportOf): string {
  const { list, lines, summary } = results
  const findings = findingsOf(results)
  const size = lines ? ` ${count(lines.total.files, 'file')}, ${count(lines.total.lines, 'line')}.` : ''
  return [
    `# Audit of \`${folder}\``,
    `${size.trim()}${list ? ` ${skippedWords(list.skipped)}` : ''}`.trim(),
    '## Findings',
    findings.length > 0 ? findings.map((finding) => `- ${finding}`).join('\n') : 'Nothing to complain about.',
    ...(summary ? [`## What ${summary.model} says`, summary.text] : []),
    ...sections(results),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
    .concat('\n')
}

function skippedWords({ links, folders, large, other }: Results['list']['skipped']): string {
  const words = [
    [links, 'link'],
    [folders, 'hidden or installed folder'],
    [large, 'large file'],
    [other, 'odd entry'],
  ] as const
  const told = words.filter(([n]) => n > 0).map(([n, noun]) => count(n, noun).replace(/entrys$/, 'entries'))
  return told.length > 0 ? `Left out: ${told.join(', ')}.` : ''
}

function sections({ lines, largest, imports, tests, duplicates, todos, headers, collect }: Partial<Results>): string[] {
  return [
    ...(collect && collect.children.length > 0 ? ['## Parts', childTable(collect.children)] : []),
    ...(lines ? ['## Lines', lineTable('Kind', lines.byExtension), lineTable('Room', lines.byRoom)] : []),
    ...(largest
      ? [
          `## Longest files`,
          table(
            ['File', 'Lines'],
            largest.top.map((it) => [code(it.path), it.lines]),
          ),
        ]
      : []),
    ...(imports ? importSections(imports) : []),
    ...(tests ? testSections(tests) : []),
    ...(duplicates && duplicates.found.length > 0 ? ['## Duplicates', duplicateTable(duplicates)] : []),
    ...(todos && todos.found.length > 0 ? ['## Unfinished work', todoTable(todos)] : []),
    ...(headers ? headerSections(headers) : []),
  ]
}

const childTable = (children: Results['collect']['children']): string =>
  table(
    ['Part', 'Run', 'State', 'Files', 'Lines', 'Findings'],
    children.map(({ folder, runId, status, result }) => [
      code(folder),
      code(runId),
      status,
      result?.files ?? '–',
      result?.lines ?? '–',
      result?.findings.length ?? '–',
    ]),
  )

const lineTable = (what: string, rows: Results['lines']['byRoom']): string =>
  table(
    [what, 'Files', 'Lines', 'Code', 'Comment', 'Blank'],
    rows.map((it) => [code(it.name), it.files, it.lines, it.code, it.comment, it.blank]),
  )

function importSections(graph: Results['imports']): string[] {
  if (graph.modules === 0) return []
  return [
    '## Imports',
    `${count(graph.modules, 'script')}, ${count(graph.edges, 'import')} between them.`,
    ...(graph.cycles.length > 0
      ? ['### Circles', graph.cycles.map((cycle) => `- ${cycle.map(code).join(', ')}`).join('\n')]
      : []),
    ...(graph.broken.length > 0
      ? [
          '### Files that are not there',
          table(
            ['In', 'Import'],
            graph.broken.map((it) => [code(it.path), code(it.from)]),
          ),
        ]
      : []),
    ...(graph.rooms.length > 0
      ? [
          '### From room to room',
          table(
            ['From', 'To', 'Imports'],
            graph.rooms.map((it) => [it.from, it.to, it.imports]),
          ),
        ]
      : []),
    '### Most imported',
    table(
      ['File', 'Importers'],
      graph.mostImported.map((it) => [code(it.path), it.importers]),
    ),
    '### From outside',
    table(
      ['Package', 'Importers'],
      graph.packages.map((it) => [code(it.name), it.importers]),
    ),
  ]
}

function testSections({ total, byRoom, tests, untested }: Results['tests']): string[] {
  if (total.scripts === 0) return []
  return [
    '## Tests, as far as files can tell',
    `${count(tests, 'test file')} for ${count(total.scripts, 'script')}.`,
    table(
      ['Room', 'Scripts', 'Own test', 'Imported by a test', 'None'],
      byRoom.map((it) => [it.room, it.scripts, it.own, it.imported, it.none]),
    ),
    ...(untested.length > 0
      ? [`Without any: ${untested.map(code).join(', ')}${total.none > untested.length ? ', …' : ''}`]
      : []),
  ]
}

const duplicateTable = ({ found }: Results['duplicates']): string =>
  table(
    ['Lines', 'Here', 'And here', 'Begins with'],
    found.map(({ lines, first, second, sample }) => [lines, placeOf(first), placeOf(second), code(sample)]),
  )
const placeOf = ({ path, from, to }: { path: string; from: number; to: number }): string =>
  code(`${path}:${from}–${to}`)

const todoTable = ({ found }: Results['todos']): string =>
  table(
    ['Where', 'Mark', 'Text'],
    found.map((it) => [code(`${it.path}:${it.line}`), it.mark, it.text]),
  )

function headerSections({ licence, withHead, withoutHead, silent }: Results['headers']): string[] {
  const licences = [...licence.files.map(code), ...(licence.ofPackage ? [`package.json: ${licence.ofPackage}`] : [])]
  return [
    '## Licence and heads of files',
    licences.length > 0 ? `Licence: ${licences.join(', ')}.` : 'No licence was found.',
    `${withHead} of ${count(withHead + withoutHead, 'script')} say at the head what they are for.`,
    ...(silent.length > 0 ? [`Silent: ${silent.map(code).join(', ')}${withoutHead > silent.length ? ', …' : ''}`] : []),
  ]
}

type Cell = string | number

function table(heads: readonly string[], rows: readonly (readonly Cell[])[]): string {
  if (rows.length === 0) return ''
  const numeric = heads.map((_, column) => rows.every((row) => typeof row[column] === 'number'))
  return [
    `| ${heads.join(' | ')} |`,
    `| ${numeric.map((it) => (it ? '--:' : '---')).join(' | ')} |`,
    ...rows.map((row) => `| ${row.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`),
  ].join('\n')
}

/** File names are not ours: what they hold must not become Markdown. */
const code = (text: string): string => {
  const plain = text.replaceAll(/[\r\n]/g, ' ')
  return plain.includes('`') ? `\`\` ${plain} \`\`` : `\`${plain}\``
}
