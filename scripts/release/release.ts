// Makes a release: version, changelog, record of the API, commit, tag, packages, bill of materials, provenance, checksums.
// It publishes nothing. A dry run does all of it in a clone, which is then deleted.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { writeProvenance, writeSbom, writeSums } from './artefacts.ts'
import { cutChangelog, nextVersion } from './changelog.ts'
import { output } from './run.ts'

const HELP = `Makes a release of Runyard; publishes nothing.

  npm run release -- <major|minor|patch|1.2.3> [--out FOLDER] [--dry-run] [--skip-audit]

  --out FOLDER   where the packages and what belongs to them go (dist/release)
  --dry-run      do all of it in a clone of HEAD that is deleted afterwards; with --out, the packages stay there
  --skip-audit   do not ask the registry for known vulnerabilities
`
const ROOT = join(import.meta.dirname, '../..')
const say = (line: string): void => void process.stdout.write(`${line}\n`)

type Asked = { version: string; out: string | undefined; audit: boolean }

function release(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
      'skip-audit': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    say(HELP)
    return
  }
  const [wanted, ...more] = positionals
  if (wanted === undefined || more.length > 0) throw new Error(`Name one version.\n\n${HELP}`)
  const version = nextVersion(readManifest(ROOT).version, wanted)
  const asked = {
    version,
    out: values.out === undefined ? undefined : resolve(values.out),
    audit: !values['skip-audit'],
  }
  if (values['dry-run']) dryRun(asked)
  else releaseHere(asked)
}

function releaseHere(asked: Asked): void {
  requireReady(ROOT, asked.version)
  makeRelease(ROOT, asked)
  say('\nNext:\n  git push --follow-tags\n  npm publish <each tarball>')
  say(`  and attach the other files to the release v${asked.version}.`)
}

const readManifest = (root: string) =>
  JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

/** What would be released is what is committed, and a tag is never moved. */
function requireReady(root: string, version: string): void {
  if (output('git', ['status', '--porcelain'], root) !== '')
    throw new Error('There are changes that are not committed. Commit them, or try with --dry-run.')
  if (output('git', ['tag', '--list', `v${version}`], root) !== '')
    throw new Error(`The tag v${version} already exists.`)
}

/** In a clone of what is committed, with what is installed and built here. */
function dryRun({ out, ...asked }: Asked): void {
  const folder = mkdtempSync(join(tmpdir(), 'runyard-release-'))
  const clone = join(folder, 'clone')
  // A signal ends the process without its `finally`.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  output('git', ['clone', '--quiet', ROOT, clone], ROOT)
  output('git', ['config', 'user.name', 'Dry run'], clone)
  output('git', ['config', 'user.email', 'dry-run@example.com'], clone)
  symlinkSync(join(ROOT, 'node_modules'), join(clone, 'node_modules'))
  if (existsSync(join(ROOT, 'web/dist'))) cpSync(join(ROOT, 'web/dist'), join(clone, 'web/dist'), { recursive: true })
  makeRelease(clone, { ...asked, out: out ?? join(folder, 'out') })
  say(`\nThis was a dry run. Nothing is left of it${out === undefined ? '' : ` but ${out}`}.`)
}

function makeRelease(root: string, { version, out = join(root, 'dist/release'), audit }: Asked): void {
  if (audit) requireNoVulnerability(root)
  const packed = prepare(root, version)
  output('git', ['commit', '--quiet', '--all', '--message', `Release ${version}`], root)
  output('git', ['tag', '--annotate', `v${version}`, '--message', `Runyard ${version}`], root)
  say(`Committed ${output('git', ['rev-parse', '--short', 'HEAD'], root).trim()}, tagged v${version}.`)
  mkdirSync(out, { recursive: true })
  const tarballs = packed.map((tarball) => join(out, basename(tarball)))
  for (const [at, tarball] of tarballs.entries()) cpSync(packed[at]!, tarball)
  const made = { root, version, folder: out, tarballs }
  const files = [...tarballs, writeSbom(made), writeProvenance(made)]
  for (const file of [...files, writeSums(out, files)]) say(`${file} (${Math.ceil(statSync(file).size / 1024)} KiB)`)
}

/** All that may fail comes before the commit; what was changed until then is taken back. Returns the tarballs. */
function prepare(root: string, version: string): string[] {
  try {
    const changelog = join(root, 'CHANGELOG.md')
    const date = new Date().toISOString().slice(0, 10)
    const { text, notes } = cutChangelog(readFileSync(changelog, 'utf8'), version, date)
    say(`Release ${version} (${date})\n\n${notes}\n`)
    writeFileSync(changelog, text)
    output('npm', ['version', version, '--no-git-tag-version', '--ignore-scripts'], root)
    output(process.execPath, ['scripts/docs.ts', '--release'], root)
    const changed = output('git', ['diff', '--stat', '--', 'docs/released-api.txt'], root)
    say(changed === '' ? 'The API is that of the last release.' : `The API has changed:\n${changed}`)
    if (!existsSync(join(root, 'web/dist/index.html'))) output('npx', ['vite', 'build', 'web'], root)
    output(process.execPath, ['scripts/pack/pack.ts'], root)
  } catch (error) {
    output('git', ['checkout', '--quiet', '--', '.'], root)
    throw error
  }
  return ['runyard', 'runyard-server'].map((name) => join(root, 'dist', `${name}-${version}.tgz`))
}

function requireNoVulnerability(root: string): void {
  try {
    output('npm', ['audit', '--omit=dev', '--audit-level=high'], root)
  } catch (cause) {
    throw new Error(
      'npm audit found something, or could not ask. Read what it says; --skip-audit goes on without it.',
      {
        cause,
      },
    )
  }
}

try {
  release()
} catch (error) {
  const { message, cause } = error as Error
  process.stderr.write(`${message}\n${cause instanceof Error ? `\n${cause.message}\n` : ''}`)
  process.exitCode = 1
}
