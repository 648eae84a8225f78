// docs/sdk.md: what the package exports, made from the declarations and their comments.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type ESTree, parseSync } from 'vite'
import { JobInput } from '#contract/job.ts'
import { ROUTES } from '#contract/routes.ts'
import { RunInput } from '#contract/runs/run.ts'

export const SDK_PAGE = 'docs/sdk.md'

const ENTRIES = ['runyard', 'worker', 'http', 'ai', 'react', 'testing']

/** Something that an entry exports: its kind, its comment and its declaration without what it does. */
type Exported = { name: string; comment: string; code: string }
type Source = {
  text: string
  program: ESTree.Program
  comments: readonly { start: number; end: number; value: string }[]
}
type Declaration = NonNullable<ESTree.ExportNamedDeclaration['declaration']>

/** Names of exports that say nothing about themselves. */
export const undocumentedExports = (): string[] =>
  ENTRIES.flatMap((entry) =>
    exportsOf(entry).flatMap(({ name, comment }) => (comment === '' ? [`${entry}: ${name}`] : [])),
  )

export function sdkPage(): string {
  const shown = new Map<string, string>()
  const sections = ENTRIES.flatMap((entry) => {
    const imported = entry === 'runyard' ? 'runyard' : `runyard/${entry}`
    const exported = exportsOf(entry)
    const again = exported.filter(({ name }) => shown.has(name))
    const parts = exported.filter(({ name }) => !shown.has(name)).flatMap((it) => partOf(it))
    for (const { name } of exported) if (!shown.has(name)) shown.set(name, imported)
    const also = again.map(({ name }) => `[\`${name}\`](#${name.toLowerCase()})`)
    return [
      `## ${imported}`,
      '',
      introductionOf(entry),
      '',
      ...parts,
      ...(also.length > 0 ? [`It exports ${also.join(' and ')} as well.`, ''] : []),
    ]
  })
  return [
    '# The SDK',
    '',
    'What the package `runyard` exports, entry by entry. [Write a worker](guides/worker.md) and the other',
    '[guides](README.md) tell how it is used.',
    '',
    '<!-- Made by `npm run docs` from the comments in src/sdk. -->',
    '',
    ...sections,
  ].join('\n')
}

/** What a definition says in another way. */
const NOT_SETTINGS = /^(slug|execution|payload_schema|result_schema|timezone|cron.+)$/

/** Fields that stand in the contract, in the names that the SDK gives them. */
const FIELDS: ReadonlyMap<string, () => string[]> = new Map([
  ['JobSettings', () => fieldTable(JobInput.properties, NOT_SETTINGS)],
  ['TriggerOptions', () => fieldTable(RunInput.properties, /^payload$/)],
  ['Client', () => ['Its calls, each of which takes one object and returns a promise:', '', ...callTable()]],
])

const partOf = ({ name, comment, code }: Exported): string[] => [
  `### ${name}`,
  '',
  ...(comment === '' ? [] : [comment, '']),
  '```ts',
  code,
  '```',
  '',
  ...(FIELDS.get(name)?.() ?? []),
]

type Schema = { description?: string; minimum?: number; maximum?: number; maxLength?: number; default?: unknown }

function fieldTable(properties: object, without: RegExp): string[] {
  const fields = Object.entries(properties as Record<string, Schema>).filter(([name]) => !without.test(name))
  const rows = fields.map(([name, schema]) => {
    const { minimum, maximum, maxLength, default: fallback } = schema
    const bounds = [
      ...(minimum === undefined ? [] : [`${minimum.toLocaleString('en')} to ${maximum?.toLocaleString('en')}`]),
      ...(maxLength === undefined ? [] : [`up to ${maxLength.toLocaleString('en')} characters`]),
    ].join('')
    const camel = name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
    const value = fallback === undefined ? '' : `\`${JSON.stringify(fallback)}\``
    return [`\`${camel}\``, value, bounds, (schema.description ?? '').replaceAll('|', '\\|')]
  })
  return [...table(['field', 'default', 'bounds', 'what it is'], rows), '']
}

const callTable = (): string[] => [
  ...table(
    ['call', 'route', 'what it does'],
    // Each runtime has an order of its own for the members of a module.
    ROUTES.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(({ name, method, path, summary }) => [
      `\`${name}\``,
      `\`${method} ${path}\``,
      summary,
    ]),
  ),
  '',
]

const table = (head: string[], rows: string[][]): string[] => [
  `| ${head.join(' | ')} |`,
  `| ${head.map(() => '---').join(' | ')} |`,
  ...rows.map((cells) => `| ${cells.join(' | ')} |`),
]

const entryFile = (entry: string): string => `src/sdk/entry/${entry}.ts`

/** The comment at the head of an entry, without the slashes. */
function introductionOf(entry: string): string {
  const lines = readFileSync(entryFile(entry), 'utf8').split('\n')
  const head = lines.slice(
    0,
    lines.findIndex((line) => !line.startsWith('//')),
  )
  return head.map((line) => line.slice(3)).join('\n')
}

function exportsOf(entry: string): Exported[] {
  const file = entryFile(entry)
  return sourceOf(file)
    .program.body.flatMap((statement) => {
      if (statement.type !== 'ExportNamedDeclaration' || !statement.source) return []
      const from = pathOf(file, statement.source.value)
      return statement.specifiers.map(({ local }) => exportedFrom(from, nameIn(local)))
    })
    .sort((a, b) => a.name.localeCompare(b.name))
}

const nameIn = (node: ESTree.ModuleExportName): string => (node.type === 'Literal' ? node.value : node.name)

const pathOf = (file: string, name: string): string =>
  name.startsWith('#') ? `src/${name.slice(1)}` : join(dirname(file), name)

const sources = new Map<string, Source>()

function sourceOf(file: string): Source {
  const known = sources.get(file)
  if (known) return known
  const text = readFileSync(file, 'utf8')
  const { program, comments, errors } = parseSync(file, text)
  if (errors.length > 0) throw new Error(`${file} cannot be parsed: ${errors[0]!.message}`)
  const source = { text, program, comments }
  sources.set(file, source)
  return source
}

function exportedFrom(file: string, name: string): Exported {
  const source = sourceOf(file)
  const all = source.program.body.flatMap((statement) =>
    statement.type === 'ExportNamedDeclaration' && statement.declaration && declares(statement.declaration, name)
      ? [{ statement, declaration: statement.declaration }]
      : [],
  )
  // Of a schema and the type of the same name, the type is what is exported.
  const types = all.filter(({ declaration }) => declaration.type === 'TSTypeAliasDeclaration')
  const found = types.length > 0 ? types : all
  if (found.length === 0) throw new Error(`${file} does not declare ${name}`)
  return {
    name,
    comment: commentBefore(source, found[0]!.statement.start),
    code: found
      .map(({ declaration }) => signatureOf(source, declaration))
      .join('\n')
      .replace(/^\s*\/\/ biome-ignore .*\n/gm, ''),
  }
}

function declares(declaration: Declaration, name: string): boolean {
  if (declaration.type === 'VariableDeclaration')
    return declaration.declarations.some(({ id }) => id.type === 'Identifier' && id.name === name)
  return 'id' in declaration && declaration.id?.type === 'Identifier' && declaration.id.name === name
}

/** The text of the comment in front of this place, one paragraph for each of its own. */
function commentBefore({ text, comments }: Source, start: number): string {
  const last = comments.findLast((comment) => comment.end <= start && !isForTools(comment))
  if (!last?.value.startsWith('*')) return ''
  // Between the two may be a line for a linter.
  if (
    text
      .slice(last.end, start)
      .replace(/^\s*\/\/.*$/gm, '')
      .trim() !== ''
  )
    return ''
  return last.value
    .slice(1)
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .trim()
}

const isForTools = ({ value }: { value: string }): boolean => value.trimStart().startsWith('biome-ignore')

function signatureOf(source: Source, declaration: Declaration): string {
  const upTo = (start: number, end: number) => source.text.slice(start, end).trim()
  if (declaration.type === 'FunctionDeclaration' && declaration.body)
    return upTo(declaration.start, declaration.body.start)
  if (declaration.type === 'ClassDeclaration') return classOf(source, declaration)
  if (declaration.type !== 'VariableDeclaration') return upTo(declaration.start, declaration.end)
  const [{ id, init }] = declaration.declarations as [ESTree.VariableDeclarator]
  if (init?.type !== 'ArrowFunctionExpression') return `const ${upTo(id.start, id.end)}`
  return `const ${upTo(id.start, id.end)} = ${upTo(init.start, init.body.start).replace(/\s*=>$/, '')} => …`
}

function classOf(source: Source, declaration: ESTree.Class): string {
  const { text, comments } = source
  const members = declaration.body.body.flatMap((member) => {
    const isHidden = !('key' in member) || member.key.type === 'PrivateIdentifier'
    if (isHidden || ('accessibility' in member && member.accessibility === 'private')) return []
    const end = endOfMember(member)
    const comment = comments.findLast((it) => it.end <= member.start && it.value.startsWith('*'))
    const from = comment && text.slice(comment.end, member.start).trim() === '' ? comment.start : member.start
    return [`  ${text.slice(from, end).trim()}`]
  })
  return [`${text.slice(declaration.start, declaration.body.start).trim()} {`, ...members, '}'].join('\n')
}

/** Where its value, or what it does, begins. */
function endOfMember(member: ESTree.ClassElement): number {
  if (member.type === 'MethodDefinition') return member.value.body?.start ?? member.end
  if (member.type === 'PropertyDefinition' && member.value && member.typeAnnotation) return member.typeAnnotation.end
  return member.end
}
