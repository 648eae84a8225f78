// The benches are run by hand; what would keep all of them from starting is tested here.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runScript } from '../../bench/lib/child.ts'

const LIB = new URL('../../bench/lib/child.ts', import.meta.url).href

async function scriptOf(code: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'runyard-bench-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'script.mjs')
  await writeFile(path, code)
  return path
}

test('a bench script accepts an input larger than a process argument may be', async () => {
  const path = await scriptOf(`
    import { scriptInput, scriptOutput } from '${LIB}'
    const { bodies } = await scriptInput()
    scriptOutput(bodies.length)`)
  const bodies = Array.from({ length: 1_000 }, (_, nth) => ({ nth, text: 'é'.repeat(400) }))
  expect(JSON.stringify(bodies).length).toBeGreaterThan(256 * 1024)
  expect(await runScript(path, { bodies }, 20_000)).toBe(1_000)
})

test('a bench script that ends before it has read its input is reported with how it ended', async () => {
  const path = await scriptOf('process.exit(3)')
  await expect(runScript(path, { text: 'x'.repeat(1_000_000) }, 20_000)).rejects.toThrow('ended with 3')
})
