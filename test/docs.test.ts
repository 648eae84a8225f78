// The documents say what the code does: what can be compared is compared here.
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { REFUSAL_CODES } from '#core/error.ts'
import { runDiagram, runMovesTable } from '#core/runs/run-diagram.ts'
import { STATUS } from '#http/problems.ts'
import { apiSurface } from '../scripts/api-surface.ts'
import {
  CONFIGURATION_PAGE,
  configurationPage,
  DECISIONS_PAGE,
  decisionsPage,
  RELEASED_SURFACE,
} from '../scripts/docs.ts'
import { SDK_PAGE, sdkPage, undocumentedExports } from '../scripts/sdk-page.ts'
import { SETTINGS } from '../src/config.ts'

const read = (path: string) => readFileSync(path, 'utf8')
const PAGES = globSync('{*.md,docs/**/*.md,bench/*.md,examples/**/*.md}')

test('docs/run-states.md shows the table of moves as it is in the code', () => {
  const page = read('docs/run-states.md')
  expect(page).toContain(runDiagram())
  expect(page).toContain(runMovesTable())
})

test('docs/errors.md lists every code with its status', () => {
  const page = read('docs/errors.md')
  for (const code of REFUSAL_CODES) expect(page, code).toContain(`| \`${code}\` | ${STATUS[code]} |`)
})

test('the pages that `npm run docs` generates are up to date', () => {
  expect(read(CONFIGURATION_PAGE)).toBe(configurationPage())
  expect(read(DECISIONS_PAGE)).toBe(decisionsPage())
  expect(read(SDK_PAGE)).toBe(sdkPage())
})

test('everything that the SDK exports has a comment', () => {
  expect(undocumentedExports()).toEqual([])
})

test('every setting that a page mentions exists', () => {
  const named = PAGES.filter((path) => path !== 'CHANGELOG.md').flatMap((path) =>
    [...read(path).matchAll(/\bRUNYARD_[A-Z_]+[A-Z]\b/g)].map((found) => `${path}: ${found[0]}`),
  )
  // A test's own switch, and settings of the example agent and of the command line.
  const others = ['RUNYARD_TEST_REQUIRE', 'RUNYARD_URL', 'RUNYARD_QUEUE', 'RUNYARD_PROFILE']
  const known = new Set([...Object.keys(SETTINGS), ...others])
  expect(named.filter((it) => !known.has(it.split(': ')[1]!))).toEqual([])
})

test('links between pages lead to existing files', () => {
  const broken = PAGES.flatMap((path) =>
    [...read(path).matchAll(/\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)/g)]
      .map((found) => found[1]!)
      .filter((target) => !existsSync(join(dirname(path), target)))
      .map((target) => `${path} links to ${target}`),
  )
  expect(broken).toEqual([])
})

test('docs/architecture.md names every room, and no room, file or topic that the code does not have', () => {
  const page = read('docs/architecture.md')
  const rooms = [...new Set(globSync('src/*/**/*.ts').map((path) => path.split('/')[1]!))]
  for (const room of rooms) expect(page, `the room ${room}`).toMatch(new RegExp(`^  ${room}/ `, 'm'))
  const drawn = [...page.matchAll(/^ {2}([a-z-]+)\/ /gm)].map((found) => found[1]!)
  expect(drawn.filter((room) => !rooms.includes(room))).toEqual([])

  const files = new Set([...globSync('{src,test}/**/*.ts')].map((path) => path.split('/').at(-1)!))
  const named = [...page.matchAll(/`(?:[\w./-]+\/)?([\w-]+(?:\.(?:sql|duty|test))?\.ts)`/g)].map((found) => found[1]!)
  expect(named.filter((file) => !files.has(file))).toEqual([])

  const topics = read('src/bell/topics.ts')
  const rings = /\*\*Rings\.\*\*[^.]*topics \(([^)]*)\)/s.exec(page)?.[1] ?? ''
  const rung = [...rings.matchAll(/`([a-z-]+):?…?`/g)].map((found) => found[1]!)
  expect(rung.length).toBeGreaterThan(5)
  for (const topic of rung) expect(topics, topic).toMatch(new RegExp(`'${topic}'|\`${topic}:`))
})

test('every decision has a title, a date and a status', () => {
  for (const path of globSync('docs/decisions/0*.md')) {
    const page = read(path)
    const number = /\/(\d{4})-/.exec(path)![1]!
    expect(page, path).toMatch(new RegExp(`^# ${number}: `))
    expect(page, path).toMatch(/^Date: \d{4}-\d{2}-\d{2} · Status: (accepted|superseded by \d{4})/m)
  }
})

/** What is required within a field that no client of the last release sends breaks none of them. */
function isTaken(released: readonly string[], fact: string): boolean {
  const within = /^(.* takes body\..+)\.[^.]+ \(required\)$/.exec(fact)?.[1]
  return within === undefined || released.some((other) => other === within || other === `${within} (required)`)
}

// Add a line only with a "Breaking" entry in the CHANGELOG.
const BROKEN_ON_PURPOSE: string[] = []

test('the API still has everything that the last release promised', () => {
  const now = new Set(apiSurface())
  const released = read(RELEASED_SURFACE).trim().split('\n')
  expect(released.filter((fact) => !now.has(fact) && !BROKEN_ON_PURPOSE.includes(fact))).toEqual([])
  const operations = new Set(released.filter((fact) => fact.split(' ').length === 2))
  const demanded = [...now].filter(
    (fact) =>
      fact.endsWith('(required)') &&
      operations.has(fact.split(' ', 2).join(' ')) &&
      isTaken(released, fact) &&
      !released.includes(fact) &&
      !BROKEN_ON_PURPOSE.includes(fact),
  )
  expect(demanded, 'newly required fields break clients').toEqual([])
})
