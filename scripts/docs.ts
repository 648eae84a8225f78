// Writes the pages that are made from code: `npm run docs`. A test compares them, so no page falls behind.
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { SETTINGS } from '../src/config.ts'
import { apiSurface } from './api-surface.ts'
import { SDK_PAGE, sdkPage } from './sdk-page.ts'

export const CONFIGURATION_PAGE = 'docs/configuration.md'
export const DECISIONS_PAGE = 'docs/decisions/README.md'
/** What the last release promised, a line for each fact. */
export const RELEASED_SURFACE = 'docs/released-api.txt'

/** The text of docs/configuration.md. */
export function configurationPage(): string {
  const code = (text: string) => (text ? `\`${text}\`` : '')
  const rows = Object.entries(SETTINGS).map(([name, [fallback, what]]) => [
    code(name),
    code(fallback),
    what.replaceAll('|', '\\|'),
  ])
  return [
    '# Configuration',
    '',
    'Settings are environment variables, read once at the start. `npm start -- --help` prints them too.',
    '',
    '<!-- Made by `npm run docs` from src/config.ts. -->',
    '',
    ...table(['setting', 'default', 'what it is'], rows),
    '',
  ].join('\n')
}

/** docs/decisions/README.md with a row for each decision. */
export function decisionsPage(): string {
  const rows = globSync('docs/decisions/[0-9]*.md')
    .sort()
    .map((path) => {
      const title = /^# (\d{4}): (.*)/.exec(readFileSync(path, 'utf8'))
      if (!title) throw new Error(`${path} must begin with "# NNNN: The decision".`)
      return [title[1]!, `[${title[2]}](${basename(path)})`]
    })
  const [before, after] = readFileSync(DECISIONS_PAGE, 'utf8').split(/\n\|[\s\S]*\|\n/)
  return [before, ...table(['no.', 'decision'], rows), after].join('\n')
}

/** A Markdown table with aligned columns, as lines. */
function table(head: string[], rows: string[][]): string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)))
  const line = (cells: string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)]
}

if (import.meta.main) {
  writeFileSync(CONFIGURATION_PAGE, configurationPage())
  writeFileSync(DECISIONS_PAGE, decisionsPage())
  writeFileSync(SDK_PAGE, sdkPage())
  if (process.argv.includes('--release')) writeFileSync(RELEASED_SURFACE, `${apiSurface().join('\n')}\n`)
}
