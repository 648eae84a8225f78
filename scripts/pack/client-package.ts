// The package `runyard`: client, worker and everything else that is installed beside the code of its users.
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { copyInto, dependenciesOf, fresh, MANIFEST, packFolder, reachedFrom } from './compiled.ts'

/** The command line, as a file that npm can link. */
const COMMAND = 'src/cli/main.ts'

/** What those who use an entry have installed already, in a version of their own. */
const PEERS: Readonly<Record<string, string>> = { react: '>=18' }

/** From what is compiled and declared. */
export function packClient(): string {
  const folder = fresh('runyard')
  const entries = Object.values(MANIFEST.exports).map((entry) => entry.replace(/^\.\//, ''))
  const command = COMMAND.replace(/\.ts$/, '.js')
  const { files, packages } = reachedFrom([...entries, COMMAND])
  copyInto(folder, files)
  writeFileSync(join(folder, 'runyard.js'), `#!/usr/bin/env node\nimport './${command}'\n`)
  cpSync('scripts/pack/runyard.md', join(folder, 'README.md'))
  return packFolder(folder, {
    name: 'runyard',
    description: 'Client, worker and command line of Runyard, a self-hosted control plane for agent and job runs.',
    keywords: ['ai-agents', 'background-jobs', 'durable-execution', 'queue', 'workflow'],
    exports: {
      ...Object.fromEntries(
        Object.entries(MANIFEST.exports).map(([entry, source]) => [
          entry,
          { types: source.replace(/\.ts$/, '.d.ts'), default: source.replace(/\.ts$/, '.js') },
        ]),
      ),
      './package.json': './package.json',
    },
    bin: { runyard: 'runyard.js' },
    sideEffects: ['./runyard.js', `./${command}`],
    dependencies: dependenciesOf(packages.difference(new Set(Object.keys(PEERS)))),
    peerDependencies: PEERS,
    peerDependenciesMeta: Object.fromEntries(Object.keys(PEERS).map((name) => [name, { optional: true }])),
  })
}
