import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { REFUSAL_CODES } from '#core/error.ts'
import { runDiagram, runMovesTable } from '#core/run-diagram.ts'
import { STATUS } from '#http/problems.ts'
import { SETTINGS } from '../src/config.ts'

const read = (path: string) => readFileSync(path, 'utf8')

test('docs/run-states.md shows the table as it is', () => {
  const page = read('docs/run-states.md')
  expect(page).toContain(runDiagram())
  expect(page).toContain(runMovesTable())
})

test('docs/errors.md names every code with its status', () => {
  const page = read('docs/errors.md')
  for (const code of REFUSAL_CODES) expect(page, code).toContain(`| \`${code}\` | ${STATUS[code]} |`)
})

test('the README names every setting', () => {
  const page = read('README.md')
  for (const name of Object.keys(SETTINGS)) expect(page, name).toContain(`\`${name}\``)
})
