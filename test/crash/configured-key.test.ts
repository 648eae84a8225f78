import { pino } from 'pino'
import { expect, test } from 'vitest'
import { readConfig } from '#config.ts'
import { startNode } from '#node.ts'
import { testDatabase } from '../support/db.ts'
import { callerOf } from '../support/http-yard.ts'

/** One start and stop of a node with the key; The answer is what it logged as a warning. */
async function startWith(url: string, key: string, ask: (address: string) => Promise<void>): Promise<string> {
  const lines: string[] = []
  const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) })
  const config = readConfig({ PORT: '0', RUNYARD_API_KEY: key, RUNYARD_ROLES: 'api' })
  const node = await startNode({ config, databaseUrl: url, keepKey: false, log })
  await ask(node.address).finally(node.close)
  return lines.join('')
}

const statusOf = async (address: string, key: string) => (await callerOf(address, key)('GET', '/v1/keys')).status

test('a configured key replaces only the previously configured one, and the start says so', async () => {
  const { url } = await testDatabase()
  const [first, second] = ['the-first-key-of-all', 'the-second-key-of-all']
  let made = ''
  const silent = await startWith(url, first, async (address) => {
    expect(await statusOf(address, first)).toBe(200)
    made = (await callerOf(address, first)('POST', '/v1/keys', { name: 'first key', scopes: ['admin'] })).body.key
  })
  expect(silent).toBe('')
  const said = await startWith(url, second, async (address) => {
    expect(await statusOf(address, second)).toBe(200)
    expect(await statusOf(address, first)).toBe(401)
    // One that somebody created is theirs, whatever its name is.
    expect(await statusOf(address, made)).toBe(200)
  })
  expect(said).toMatch(/RUNYARD_API_KEY replaces the key/)
  expect(said).not.toContain(first)
  // A node that was started with the old one again must not bring it back.
  const stale = await startWith(url, first, async (address) => {
    expect(await statusOf(address, first)).toBe(401)
    expect(await statusOf(address, second)).toBe(200)
  })
  expect(stale).toMatch(/the key of RUNYARD_API_KEY was revoked or replaced/)
})
