// The tour of the README as a newcomer takes it: `npm start` on a new folder, and the lines typed into a shell, one
// after the other, as slowly as a person who reads what comes back. RUNYARD_TOUR_GAP_SECS=20 types all of them so.
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { callerOf } from '../support/http-yard.ts'
import { type NodeProcess, startProgram } from '../support/processes.ts'

const PERSON_SECS = 20
const GAP_MS = Number(process.env.RUNYARD_TOUR_GAP_SECS ?? 0.2) * 1000
const START_MS_MAX = 120_000

const tourLines = (): string[] => {
  const [, block = ''] = /## Five minutes with curl\n.*?```sh\n(.*?)```/s.exec(readFileSync('README.md', 'utf8')) ?? []
  return block.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

const passes = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** What `npm start` prints on a new folder. */
async function startFresh(): Promise<{ address: string; key: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'runyard-tour-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const port = String(await freePort())
  const env = { PORT: port, RUNYARD_DATA_DIR: folder, DATABASE_URL: '', REDIS_URL: '', RUNYARD_API_KEY: '' }
  const server = startProgram('npm', ['start'], { env })
  onTestFinished(async () => {
    server.killGroup('SIGTERM')
    await server.ended
  })
  const [, address] = await server.line(/Runyard is ready at (\S+)/, START_MS_MAX)
  const [, key] = await server.line(/Key\s+(\S+)/)
  return { address: address!, key: key! }
}

/** Types a line, and gives what the shell printed for it. */
async function type(shell: NodeProcess, line: string, number: number): Promise<string> {
  const before = shell.output().length
  shell.say(line)
  shell.say(`echo "typed ${number}"`)
  await shell.line(new RegExp(`typed ${number}\\n`))
  return shell.output().slice(before).replace(`typed ${number}\n`, '')
}

test('the lease of the tour lasts long enough for a person who takes 20 s for every line it must cover', () => {
  const lines = tourLines()
  const [claimed, settled] = ['/claim', '/settle'].map((path) => lines.findIndex((line) => line.includes(path)))
  const leaseSecs = Number(/"lease_secs": (\d+)/.exec(lines[claimed!]!)?.[1])
  expect(settled).toBeGreaterThan(claimed!)
  expect(leaseSecs).toBeGreaterThanOrEqual(3 * PERSON_SECS * (settled! - claimed!))
})

test('the tour works when typed slowly into a shell on a new folder, and leaves nothing running', {
  timeout: 1_200_000,
}, async () => {
  const { address, key } = await startFresh()
  const endpoint = await freePort()
  const shell = startProgram('bash', ['--noprofile', '--norc'])
  const said: string[] = []
  for (const [number, line] of tourLines().entries()) {
    const typed = line
      .replace(/URL=\S+ KEY=…/, `URL=${address} KEY=${key}`)
      .replaceAll('127.0.0.1:9000', `127.0.0.1:${endpoint}`)
      .replace('listen(9000', `listen(${endpoint}`)
    const out = await type(shell, typed, number)
    expect(out, `${typed}\n${out}`).not.toMatch(/"error": ?\{|"problem"|command not found|syntax error|Error:/)
    said.push(out)
    // The one time that runs out while a person reads on.
    await passes(line.includes('/claim') ? Math.max(GAP_MS, PERSON_SECS * 1000) : GAP_MS)
  }
  expect(shell.output()).not.toContain('undefined')
  const all = said.join('')
  expect(all).toContain('"replayed":true')
  expect(all).toContain('Hello, Ada')
  expect(all).toMatch(/event: run\.completed/)

  const call = callerOf(address, key)
  const { data: jobs } = (await call('GET', '/v1/jobs')).body
  expect(jobs.map((job: { slug: string }) => job.slug)).toEqual(['folder-audit'])
  const { data: runs } = (await call('GET', '/v1/runs?limit=100')).body
  const own = runs.filter((run: { job_slug: string }) => run.job_slug !== 'folder-audit')
  expect(own.map((run: { status: string }) => run.status)).toEqual(['completed', 'completed'])
  await expect(fetch(`http://127.0.0.1:${endpoint}/`)).rejects.toThrow()
})
