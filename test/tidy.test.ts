import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

// Left may import right. The reasons stand in docs/architecture.md.
const MAY_IMPORT: Record<string, readonly string[]> = {
  core: [],
  contract: ['core'],
  storage: ['core'],
  governance: ['core', 'storage'],
  actions: ['core', 'storage', 'governance'],
  engine: ['core', 'storage', 'governance', 'actions'],
  live: ['core', 'storage'],
  http: ['core', 'contract', 'storage', 'governance', 'actions', 'live'],
  sdk: ['contract'],
}
const LINES_MAX = 300
/** Shrinks only. */
const LINES_MAX_ALLOWED: Record<string, number> = {}

type File = { path: string; room: string; text: string }
const files: File[] = globSync('src/**/*.ts').map((path) => ({
  path,
  room: path.split('/').length > 2 ? path.split('/')[1]! : '',
  text: readFileSync(path, 'utf8'),
}))
const product = files.filter((file) => !file.path.endsWith('.test.ts'))

test('rooms import only the rooms they may', () => {
  const broken = product
    .filter(({ room }) => room !== '')
    .flatMap(({ path, room, text }) =>
      [...text.matchAll(/from '(?:#|\.\.\/)(\w+)\//g)]
        .map((found) => found[1]!)
        .filter((other) => other in MAY_IMPORT && other !== room && !MAY_IMPORT[room]?.includes(other))
        .map((other) => `${path} imports ${other}`),
    )
  expect(broken).toEqual([])
})

test('core touches nothing outside itself', () => {
  const impure = product.filter(
    ({ room, text }) =>
      room === 'core' && /from '(?!\.\/)|Date\.now|new Date\(\)|Math\.random|process\.|console\./.test(text),
  )
  expect(impure.map((file) => file.path)).toEqual([])
})

test('SQL stands in storage only', () => {
  const found = product.filter(({ room, text }) => room !== 'storage' && /\bsql`|\btx`|\.unsafe\(/.test(text))
  expect(found.map((file) => file.path)).toEqual([])
})

test('the environment is read in config.ts only', () => {
  const readers = product.filter(
    ({ path, text }) => path !== 'src/config.ts' && path !== 'src/main.ts' && /process\.env/.test(text),
  )
  expect(readers.map((file) => file.path)).toEqual([])
})

test('no file is longer than a reader can hold in mind', () => {
  const long = product
    .map(({ path, text }) => ({ path, lines: text.split('\n').length }))
    .filter(({ path, lines }) => lines > (LINES_MAX_ALLOWED[path] ?? LINES_MAX))
  expect(long).toEqual([])
})

test('nothing is exported by default, and no file has a name that says nothing', () => {
  const defaults = product.filter(({ text }) => /^export default/m.test(text)).map((file) => file.path)
  const vague = product
    .filter(
      ({ path }) =>
        /(^|\/)(utils?|helpers?|common|manager|service|misc)\.ts$/.test(path) && path !== 'src/contract/common.ts',
    )
    .map((file) => file.path)
  expect([...defaults, ...vague]).toEqual([])
})

test('no test is switched off or alone', () => {
  const tests = files.concat(
    globSync('{test,examples}/**/*.test.ts').map((path) => ({ path, room: '', text: readFileSync(path, 'utf8') })),
  )
  const off = tests.filter(
    ({ path, text }) =>
      path.endsWith('.test.ts') &&
      path !== 'test/tidy.test.ts' &&
      /\b(test|it|describe)\.(only|skip|todo)\b/.test(text),
  )
  expect(off.map((file) => file.path)).toEqual([])
})
