// Releases, up to where they would be published.
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { cutChangelog, nextVersion } from '../../scripts/release/changelog.ts'
import { readManifest, run, unpack } from './installed.ts'

const CHANGES = '# Changelog\n\n## Unreleased\n\n### Added\n\n- A thing.\n\n## 0.1.0 - 2026-11-25\n\n- The first.\n'

describe('the changelog of a release', () => {
  test('moves what is unreleased under the version, and leaves the place for what comes next', () => {
    const { text, notes } = cutChangelog(CHANGES, '0.2.0', '2026-12-01')
    expect(notes).toBe('### Added\n\n- A thing.')
    expect(text).toBe(CHANGES.replace('## Unreleased\n', '## Unreleased\n\n## 0.2.0 - 2026-12-01\n'))
    expect(() => cutChangelog(text, '0.3.0', '2026-12-02')).toThrow('Nothing is under "Unreleased"')
  })

  test('has each version once', () => {
    expect(() => cutChangelog(CHANGES, '0.1.0', '2026-12-01')).toThrow('already has the version 0.1.0')
    expect(() => cutChangelog('# Changelog\n', '0.1.0', '2026-12-01')).toThrow('no "## Unreleased"')
  })
})

describe('the version of a release', () => {
  test('is the next one of its kind, or one that is later than the current one', () => {
    expect(['major', 'minor', 'patch', '1.0.0-rc.1'].map((asked) => nextVersion('0.9.1', asked))).toEqual([
      '1.0.0',
      '0.10.0',
      '0.9.2',
      '1.0.0-rc.1',
    ])
    expect([nextVersion('1.0.0-rc.9', '1.0.0-rc.10'), nextVersion('1.0.0-rc.9', 'patch')]).toEqual([
      '1.0.0-rc.10',
      '1.0.0',
    ])
    for (const asked of ['0.9.1', '0.8.9', '0.9.1-rc.1', 'latest', '1.0', 'v1.0.0'])
      expect(() => nextVersion('0.9.1', asked), asked).toThrow(/not later|not a version/)
  })

  test('never goes back', () => {
    const version = fc.tuple(fc.nat(30), fc.nat(30), fc.nat(30)).map((parts) => parts.join('.'))
    const order = (one: string, other: string) => one.localeCompare(other, 'en', { numeric: true })
    fc.assert(
      fc.property(version, version, (now, asked) => {
        if (order(asked, now) > 0) expect(nextVersion(now, asked)).toBe(asked)
        else expect(() => nextVersion(now, asked)).toThrow('not later')
      }),
    )
  })
})

test('a dry run makes all that a release has, and leaves nothing behind', { timeout: 300_000 }, () => {
  const out = mkdtempSync(join(tmpdir(), 'runyard-release-out-'))
  onTestFinished(() => rmSync(out, { recursive: true }))
  const state = () => [run('git', ['status', '--porcelain']), run('git', ['tag']), run('git', ['rev-parse', 'HEAD'])]
  const before = state()
  const version = nextVersion(readManifest('.').version, 'minor')
  const said = run(process.execPath, ['scripts/release/release.ts', 'minor', '--dry-run', '--skip-audit', '--out', out])
  expect(state()).toEqual(before)
  expect(said).toContain(`Release ${version} (`)
  expect(said).toContain(`tagged v${version}.`)

  const files = [`runyard-${version}.tgz`, `runyard-server-${version}.tgz`]
  const listed = readFileSync(join(out, 'SHA256SUMS'), 'utf8').trim().split('\n')
  expect(listed.map((line) => line.split('  ')[1])).toEqual([
    ...files,
    `runyard-${version}.cdx.json`,
    `runyard-${version}.provenance.json`,
  ])
  const digestOf = (file: string) =>
    createHash('sha256')
      .update(readFileSync(join(out, file)))
      .digest('hex')
  for (const line of listed) expect(line.split('  ')[0]).toBe(digestOf(line.split('  ')[1]!))

  const sbom = JSON.parse(readFileSync(join(out, `runyard-${version}.cdx.json`), 'utf8'))
  expect(sbom).toMatchObject({ bomFormat: 'CycloneDX', metadata: { component: { name: 'runyard', version } } })
  const components = new Set(sbom.components.map((it: { name: string }) => it.name))
  expect([components.has('fastify'), components.has('vitest')]).toEqual([true, false])

  const { subject, predicate } = JSON.parse(readFileSync(join(out, `runyard-${version}.provenance.json`), 'utf8'))
  expect(subject).toEqual(files.map((name) => ({ name, digest: { sha256: digestOf(name) } })))
  expect(predicate.buildDefinition.resolvedDependencies[0].digest.gitCommit).toMatch(/^[0-9a-f]{40}$/)

  const folder = unpack(out, join(out, files[1]!), 'server')
  expect(readManifest(folder).version).toBe(version)
  expect(readFileSync(join(folder, 'CHANGELOG.md'), 'utf8')).toContain(`## Unreleased\n\n## ${version} - `)
})

test('a release says what it wants when it is asked for the wrong thing', () => {
  const tried =
    (...args: string[]) =>
    () =>
      run(process.execPath, ['scripts/release/release.ts', ...args])
  expect(tried()).toThrow('Name one version.')
  expect(tried('0.0.1', '--dry-run')).toThrow('is not later than')
  expect(tried('minor', '--publish')).toThrow("Unknown option '--publish'")
  expect(tried('--help')()).toContain('publishes nothing')
})
