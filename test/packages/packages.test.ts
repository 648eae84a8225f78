// What strangers install: complete, small, clean for compilers and bundlers, and working on the oldest Node that is promised.
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { startTestServer } from '#sdk/testing/start-test-server.ts'
import { httpYard, KEY } from '../support/http-yard.ts'
import { startProgram } from '../support/processes.ts'
import { emptyProject, filesIn, nodes, npmInstall, packAll, readManifest, run, unpack } from './installed.ts'

let tarballs: ReturnType<typeof packAll>
beforeAll(() => {
  tarballs = packAll()
}, 300_000)

const JOB = `import { defineJob } from 'runyard'

export const greet = defineJob('greet', {
  async run({ payload, step }) {
    const name = await step('shout', () => String(payload).toUpperCase())
    return { said: \`Hello, \${name}\` }
  },
})
`
const WORKER = `import { createClient } from 'runyard'
import { startWorker } from 'runyard/worker'
import { greet } from './greet.mjs'

const client = createClient({ baseUrl: process.env.RUNYARD_URL!, credential: process.env.RUNYARD_API_KEY })
const worker = startWorker({ client, jobs: [greet], register: true })
await worker.ready
const outcome = await greet.triggerAndWait(client, 'Ada')
const { said }: { said: string } = outcome.unwrap()
console.log(said)
await worker.close()
`
const plain = (typescript: string) => typescript.replace('URL!', 'URL').replace(': { said: string }', '')

test('the client package is small, and has at most five dependencies', () => {
  const folder = unpack(emptyProject({}), tarballs.client, 'runyard')
  expect(Object.keys(readManifest(folder).dependencies).length).toBeLessThanOrEqual(5)
  const files = filesIn(folder).filter((path) => statSync(join(folder, path)).isFile())
  const bytes = files.reduce((sum, path) => sum + statSync(join(folder, path)).size, 0)
  expect(bytes).toBeLessThan(3 * 1024 * 1024)
  expect(files).toContain('README.md')
  // Names of the repository's own must not be left in it.
  const code = files.filter((path) => /\.(js|d\.ts)$/.test(path))
  const internal = code.filter((path) =>
    /(from|import\() ?['"](#|[^'"]*\.ts['"])/.test(readFileSync(join(folder, path), 'utf8')),
  )
  expect(internal).toEqual([])
})

test('what browsers load needs nothing of Node', () => {
  const folder = unpack(emptyProject({}), tarballs.client, 'runyard')
  const seen = new Set<string>()
  const read = (path: string): void => {
    if (seen.has(path)) return
    seen.add(path)
    const text = readFileSync(path, 'utf8')
    expect(text.match(/['"]node:\w+|\bprocess\.\w+|\bBuffer\b/g) ?? [], path).toEqual([])
    for (const [, name] of text.matchAll(/from\s*'(\.[^']+)'/g)) read(join(path, '..', name!))
  }
  for (const entry of ['runyard', 'react']) read(join(folder, `src/sdk/entry/${entry}.js`))
  expect(seen.size).toBeGreaterThan(10)
})

test('AI libraries and React are brought by those who use them', () => {
  const folder = unpack(emptyProject({}), tarballs.client, 'runyard')
  const { dependencies, peerDependencies, peerDependenciesMeta, exports } = readManifest(folder)
  expect(Object.keys(exports)).toEqual(expect.arrayContaining(['./ai', './react']))
  for (const library of ['ai', 'react', 'openai']) expect(dependencies).not.toHaveProperty(library)
  expect(peerDependencies).toEqual({ react: '>=18' })
  expect(peerDependenciesMeta).toEqual({ react: { optional: true } })
  // Without any of them, the helpers for agents load all the same.
  run(process.execPath, ['--input-type=module', '-e', `await import('${join(folder, 'src/sdk/entry/ai.js')}')`])
})

test('publint and attw find nothing wrong with the client package', () => {
  expect(run('npx', ['publint', '--strict', tarballs.client])).toMatch(/All good/)
  run('npx', ['attw', tarballs.client, '--profile', 'esm-only'])
})

test('an empty TypeScript project installs the client package, compiles against it and works', {
  timeout: 300_000,
}, async () => {
  const { address } = await httpYard()
  const compilerOptions = {
    target: 'es2022',
    strict: true,
    skipLibCheck: false,
    types: ['node'],
    rootDir: 'src',
    outDir: 'out',
  }
  const folder = emptyProject({
    'package.json': { name: 'stranger', type: 'module' },
    'src/greet.mts': JOB,
    'src/worker.mts': WORKER,
  })
  npmInstall(folder, tarballs.client)
  // The compiler is the same for all; only the package is under test.
  run('ln', ['-s', join(process.cwd(), 'node_modules/@types'), join(folder, 'node_modules/@types')])
  for (const [module, moduleResolution] of [
    ['node16', 'node16'],
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ] as const) {
    const tsconfig = { compilerOptions: { ...compilerOptions, module, moduleResolution }, include: ['src'] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig))
    run('node_modules/.bin/tsc', ['-p', folder])
    for (const node of nodes()) {
      const env = { RUNYARD_URL: address, RUNYARD_API_KEY: KEY }
      const worker = startProgram(node, ['out/worker.mjs'], { cwd: folder, env })
      await worker.line(/Hello, ADA/)
    }
  }
})

test('a plain JavaScript project works on every Node of the machine', { timeout: 120_000 }, async () => {
  const { address } = await httpYard()
  const folder = emptyProject({ 'greet.mjs': JOB, 'worker.mjs': plain(WORKER) })
  unpack(folder, tarballs.client, 'runyard')
  for (const node of nodes()) {
    const env = { RUNYARD_URL: address, RUNYARD_API_KEY: KEY }
    const worker = startProgram(node, ['worker.mjs'], { cwd: folder, env })
    await worker.line(/Hello, ADA/)
    expect(await worker.ended).toBe(0)
  }
})

test('the server package starts with its console and its database, on every Node of the machine', {
  timeout: 180_000,
}, async () => {
  const folder = unpack(emptyProject({}), tarballs.server, 'runyard-server')
  for (const node of nodes()) {
    const server = await startTestServer({ command: [node, join(folder, 'runyard-server.js')] })
    const { client, id } = await server.project()
    expect((await client.getMe()).project_id).toBe(id)
    const page = await fetch(server.baseUrl, { headers: { accept: 'text/html' } })
    expect(await page.text()).toContain('<div id="app"')
    const { data } = await client.listRuns({})
    expect(data).toEqual([])
    await server.stop()
    await expect(client.getMe()).rejects.toMatchObject({ code: 'unreachable' })
  }
})
