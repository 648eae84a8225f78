// What is published beside the packages: what is in them, what they were made from, and the checksums of all.
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { output } from './run.ts'

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

/** A software bill of materials: every production dependency in the version of the lock file, with its licence. */
export function writeSbom({ root, version, folder }: { root: string; version: string; folder: string }): string {
  const args = [
    'sbom',
    '--sbom-format',
    'cyclonedx',
    '--sbom-type',
    'application',
    '--omit',
    'dev',
    '--package-lock-only',
  ]
  const sbom = JSON.parse(output('npm', args, root))
  // npm names it after the folder that it is in.
  sbom.metadata.component.name = 'runyard'
  const path = join(folder, `runyard-${version}.cdx.json`)
  writeFileSync(path, `${JSON.stringify(sbom, null, 2)}\n`)
  return path
}

type Made = { root: string; version: string; folder: string; tarballs: readonly string[] }

/** An in-toto statement of where the packages come from, in the form of SLSA's provenance. It is not signed. */
export function writeProvenance({ root, version, folder, tarballs }: Made): string {
  const commit = output('git', ['rev-parse', 'HEAD'], root).trim()
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: tarballs.map((tarball) => ({ name: basename(tarball), digest: { sha256: sha256(tarball) } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'https://github.com/runyard/runyard/blob/main/scripts/release',
        externalParameters: { version },
        resolvedDependencies: [
          { uri: `git+https://github.com/runyard/runyard@v${version}`, digest: { gitCommit: commit } },
          { uri: 'package-lock.json', digest: { sha256: sha256(join(root, 'package-lock.json')) } },
        ],
      },
      runDetails: {
        builder: { id: 'https://github.com/runyard/runyard/blob/main/scripts/release/release.ts' },
        metadata: { versions: { node: process.version, npm: output('npm', ['--version'], root).trim() } },
      },
    },
  }
  const path = join(folder, `runyard-${version}.provenance.json`)
  writeFileSync(path, `${JSON.stringify(statement, null, 2)}\n`)
  return path
}

/** For `sha256sum --check`. */
export function writeSums(folder: string, files: readonly string[]): string {
  const path = join(folder, 'SHA256SUMS')
  writeFileSync(path, files.map((file) => `${sha256(file)}  ${basename(file)}\n`).join(''))
  return path
}
