// The code of the guides, as it is printed: its blocks are written to files and run with the package.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { httpYard, KEY } from '../../support/http-yard.ts'
import { startNode } from '../../support/processes.ts'

const ROOT = join(import.meta.dirname, '../../..')

/** The blocks of a page that begin with a file's name, as files in a folder of this repository. */
function filesOf(page: string, address: string): string {
  mkdirSync(join(ROOT, 'dist'), { recursive: true })
  const folder = mkdtempSync(join(ROOT, 'dist/guide-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const text = readFileSync(join(ROOT, page), 'utf8')
  for (const [, name, code] of text.matchAll(/^```ts\n\/\/ ([\w-]+\.mjs)\n([\s\S]*?)^```$/gm)) {
    writeFileSync(join(folder, name!), code!.replaceAll('http://127.0.0.1:8080', address))
  }
  return folder
}

test('the guide on workers works as it is printed', async () => {
  const { address } = await httpYard()
  const folder = filesOf('docs/guides/worker.md', address)
  const env = { RUNYARD_API_KEY: KEY }
  const worker = startNode(join(folder, 'worker.mjs'), [], { env })
  await worker.line(/Job greet was created/)
  const trigger = startNode(join(folder, 'trigger.mjs'), [], { env })
  await trigger.line(/Hello, Ada/)
  expect(await trigger.ended).toBe(0)
  await worker.kill('SIGTERM')
  expect(await worker.ended).toBe(0)
})

test('the worker of the README works as it is printed', async () => {
  const { address } = await httpYard()
  const [, code] = /## A worker in TypeScript\n\n```ts\n([\s\S]*?)^```$/m.exec(
    readFileSync(join(ROOT, 'README.md'), 'utf8'),
  )!
  const folder = filesOf('README.md', address)
  writeFileSync(join(folder, 'readme.ts'), code!.replaceAll('http://127.0.0.1:8080', address))
  const program = startNode(join(folder, 'readme.ts'), [], { env: { RUNYARD_API_KEY: KEY } })
  await program.line(/run\.completed/)
})
