import { randomUUID } from 'node:crypto'
import { cp, lstat, mkdir, readdir, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { findAccount, isRoot } from './account.ts'
import { findBinaries, programOf, usableBinaries } from './binaries.ts'
import { runProgram } from './program.ts'

const newFolder = async (mode: number): Promise<string> => {
  const path = join(inject('testRoot'), `binaries-${randomUUID().slice(0, 8)}`)
  await mkdir(path, { mode })
  return path
}

const linksIn = async (folder: string): Promise<string[]> =>
  (await readdir(join(folder, 'lib'), { withFileTypes: true }))
    .filter((it) => it.isSymbolicLink())
    .map(({ name }) => name)

test('the PostgreSQL binaries of this platform are found, with their version', async () => {
  const binaries = findBinaries()
  expect(binaries.major).toBe('18')
  const { ok, output } = await runProgram(programOf(binaries, 'postgres'), ['--version'], undefined)
  expect({ ok, output }).toEqual({ ok: true, output: expect.stringContaining('PostgreSQL) 18.') })
})

test('a platform without PostgreSQL binaries is named in the error, with the way out', () => {
  expect(() => findBinaries('sunos', 'mips')).toThrow(/no PostgreSQL for sunos mips.*sunos-mips.*DATABASE_URL/s)
})

test('an ordinary user runs the PostgreSQL binaries in place', async () => {
  const found = findBinaries()
  const options = { account: undefined, sharedDir: '/nowhere', log: () => {} }
  expect(await usableBinaries(found, options)).toEqual(found)
})

test.runIf(process.platform === 'linux')(
  'links that an install script was not allowed to create are created',
  async () => {
    const root = await newFolder(0o755)
    const found = { ...findBinaries(), folder: join(root, 'native') }
    const isNoLink = async (path: string) => !(await lstat(path)).isSymbolicLink()
    await cp(findBinaries().folder, found.folder, { recursive: true, filter: isNoLink })
    expect(await runProgram(programOf(found, 'postgres'), ['--version'], undefined)).toMatchObject({ ok: false })

    await usableBinaries(found, { account: undefined, sharedDir: root, log: () => {} })
    expect(await runProgram(programOf(found, 'postgres'), ['--version'], undefined)).toMatchObject({ ok: true })
    expect(await linksIn(found.folder)).toEqual(await linksIn(findBinaries().folder))
  },
)

test.runIf(isRoot())('binaries that the account cannot reach are copied once, including links', async () => {
  const account = await findAccount()
  const found = { ...findBinaries(), folder: join(await newFolder(0o700), 'native') }
  await cp(findBinaries().folder, found.folder, { recursive: true, verbatimSymlinks: true })
  expect(await runProgram(programOf(found, 'postgres'), ['--version'], account)).toMatchObject({ ok: false })

  const sharedDir = join(await newFolder(0o711), 'shared')
  const lines: string[] = []
  const options = { account, sharedDir, log: (line: string) => void lines.push(line) }
  const before = process.umask(0o077) // The strictest that root may have.
  const both = await Promise.all([usableBinaries(found, options), usableBinaries(found, options)])
  process.umask(before)
  const copy = join(sharedDir, `postgresql-${found.version}`)
  expect(both.map(({ folder }) => folder)).toEqual([copy, copy])
  expect(lines.filter((line) => line.startsWith('copying'))).toHaveLength(1)
  expect(await readdir(sharedDir)).toEqual([`postgresql-${found.version}`])

  expect(await runProgram(programOf(both[0], 'postgres'), ['--version'], account)).toMatchObject({ ok: true })
  const links = await linksIn(found.folder)
  expect(links.length).toBeGreaterThan(5)
  for (const link of links) {
    expect(await readlink(join(copy, 'lib', link))).toBe(await readlink(join(found.folder, 'lib', link)))
    await stat(join(copy, 'lib', link))
  }
})
