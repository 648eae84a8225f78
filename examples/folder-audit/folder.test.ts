import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { BOUNDS, findFolder, listFiles, readFiles } from './folder.ts'
import { readSurroundings } from './surroundings.ts'

/** A folder with these files in it; gone when the test ends. */
async function folderOf(files: Record<string, string | Buffer>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'folder-audit-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
  return folder
}

test('files are listed in order, without links, hidden and installed folders, pipes and large files', async () => {
  const folder = await folderOf({
    'b.ts': 'b',
    'a/deep/c.ts': 'cc',
    'node_modules/x/index.js': 'x',
    '.git/config': 'x',
    'large.txt': 'x'.repeat(BOUNDS.fileBytes + 1),
  })
  await symlink('/etc/passwd', join(folder, 'passwd'))
  await symlink('..', join(folder, 'round'))
  execFileSync('mkfifo', [join(folder, 'pipe')])
  expect(await listFiles(folder)).toEqual({
    files: [
      { path: 'a/deep/c.ts', bytes: 2 },
      { path: 'b.ts', bytes: 1 },
    ],
    folders: 2,
    skipped: { links: 2, folders: 2, large: 1, other: 1 },
    truncated: false,
  })
})

test.each([
  [{ files: 2 }, ['a/1.ts', 'a/2.ts']],
  [{ levels: 1 }, ['b.ts']],
  [{ entriesOfFolder: 1 }, []],
  [{ pathLength: 5 }, ['b.ts']],
])('a listing limited to %j says that there is more', async (bounds, expected) => {
  const folder = await folderOf({ 'a/1.ts': '', 'a/2.ts': '', 'a/3.ts': '', 'b.ts': '' })
  const { files, truncated } = await listFiles(folder, { ...BOUNDS, ...bounds })
  expect(truncated).toBe(true)
  if (expected.length > 0) expect(files.map((file) => file.path)).toEqual(expected)
})

test('text is read, and binary files and files that have gone meanwhile are counted', async () => {
  const folder = await folderOf({ 'a.ts': 'grüße', 'b.png': Buffer.from([0x89, 0, 1]), 'c.ts': 'c', 'd.ts': 'd' })
  const listing = await listFiles(folder)
  await rm(join(folder, 'c.ts'))
  await rm(join(folder, 'd.ts'))
  await symlink('/etc/passwd', join(folder, 'd.ts'))
  const { files, ...rest } = await readFiles(folder, listing)
  expect(files).toEqual([{ path: 'a.ts', text: 'grüße' }])
  expect(rest).toEqual({ bytes: 7, notText: 1, gone: 2, truncated: false })
})

test('a file that has grown is read up to its limit, and all of them up to theirs', async () => {
  const folder = await folderOf({ 'a.ts': 'aaaa', 'b.ts': 'bbbb', 'c.ts': 'cccc' })
  const listing = await listFiles(folder)
  await writeFile(join(folder, 'a.ts'), 'a'.repeat(1000))
  const { files, truncated } = await readFiles(folder, listing, { ...BOUNDS, fileBytes: 10, totalBytes: 12 })
  expect(files.map((file) => file.text)).toEqual(['a'.repeat(10), 'bbbb'])
  expect(truncated).toBe(true)
})

test('a folder is found by its real path, and only within the root', async () => {
  const root = await folderOf({ 'in/side/a.ts': '', 'file.ts': '' })
  const outside = await folderOf({ 'secret.ts': '' })
  await symlink(outside, join(root, 'way-out'))
  await symlink(join(root, 'in'), join(root, 'way-in'))
  expect(await findFolder(root, 'way-in/side')).toBe(join(root, 'in/side'))
  expect(await findFolder(root, '.')).toBe(root)
  for (const folder of ['..', outside, 'way-out', 'gone', 'file.ts', 'in/../..', 'in\0side', `../${root}-not`]) {
    await expect(findFolder(root, folder), folder).rejects.toMatchObject({ code: 'folder_not_found', retryable: false })
  }
})

test('files around a folder are read up to the root', async () => {
  const root = await folderOf({
    LICENSE: 'words',
    'package.json': '{"license":"MIT","imports":{"#*":"./src/*","#test/*":"./test/*","#dep":"some-package"}}',
    'src/COPYING.md': 'words',
    'src/room/a.ts': '',
    'test/a.test.ts': `import '../src/room/a.ts'`,
    'test/data.json': '{}',
  })
  expect(await readSurroundings(root, join(root, 'src'))).toEqual({
    licences: { files: ['src/COPYING.md', 'LICENSE'], ofPackage: 'MIT' },
    aliases: [
      { prefix: '#', suffix: '', target: '', targetSuffix: '' },
      { prefix: '#test/', suffix: '', target: '../test/', targetSuffix: '' },
    ],
    tests: [{ path: '../test/a.test.ts', text: `import '../src/room/a.ts'` }],
  })
  expect((await readSurroundings(root, root)).tests).toEqual([])
})

test('an invalid package file does no harm', async () => {
  const root = await folderOf({ 'package.json': '{', 'a.ts': '' })
  expect(await readSurroundings(root, root)).toEqual({
    licences: { files: [], ofPackage: undefined },
    aliases: [],
    tests: [],
  })
})
