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

const MODEL = `import { MockLanguageModelV3 } from 'ai/test'
const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } }
const answers = [
  () => ({ type: 'tool-call', toolCallId: 'c1', toolName: 'refund', input: '{"order":7,"amount":300}' }),
  (prompt) => ({ type: 'text', text: JSON.stringify(prompt.at(-1)) }),
]
const doGenerate = async ({ prompt }) => {
  const content = [answers.shift()(prompt)]
  const finishReason = { unified: content[0].type === 'text' ? 'stop' : 'tool-calls', raw: undefined }
  return { content, finishReason, usage, warnings: [] }
}
export const openai = (modelId) => new MockLanguageModelV3({ modelId, doGenerate })
`
const CHAT = `const call = { id: 'c1', type: 'function', function: { name: 'look_up', arguments: '{"order":7}' } }
const answers = [() => ({ tool_calls: [call] }), (messages) => ({ content: messages.at(-1).content })]
const usage = { prompt_tokens: 1, completion_tokens: 1 }
const create = async ({ messages }) => ({ choices: [{ message: answers.shift()(messages) }], usage })
export const openai = { chat: { completions: { create } } }
`

test('the guide on agents works as it is printed', async () => {
  const folder = filesOf('docs/guides/ai.md', '')
  const [, tested] = /^```ts\n(const tested = testJob[\s\S]*?)^```$/m.exec(
    readFileSync(join(ROOT, 'docs/guides/ai.md'), 'utf8'),
  )!
  const vendor = join(folder, 'node_modules/@ai-sdk/openai')
  mkdirSync(vendor, { recursive: true })
  writeFileSync(join(vendor, 'index.mjs'), MODEL)
  writeFileSync(join(vendor, 'package.json'), '{"name": "@ai-sdk/openai", "exports": "./index.mjs"}')
  writeFileSync(join(folder, 'openai.mjs'), CHAT)
  writeFileSync(
    join(folder, 'payments.mjs'),
    "export const refund = (order, amount, key) => 'refunded ' + amount + ' by ' + key",
  )
  const lines = [
    "import { testJob } from 'runyard/testing'",
    "import { orders } from './orders.mjs'",
    "import { support } from './support.mjs'",
    tested!,
    "console.log(JSON.stringify(await tested.run({ text: 'Order 7 is broken' })))",
    "console.log(JSON.stringify(await testJob(orders).run('Order 7?')))",
  ]
  writeFileSync(join(folder, 'try.mjs'), lines.join('\n'))
  const program = startNode(join(folder, 'try.mjs'))
  expect(await program.ended, program.output()).toBe(0)
  expect(program.output()).toMatch(/"status":"completed".*refunded 100 by /)
  expect(program.output()).toContain('{"status":"completed","result":"{\\"order\\":7,\\"amount\\":300}"}')
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
