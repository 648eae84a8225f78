// The packages as strangers get them: packed once, and installed into empty folders.
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const COMMAND_MS_MAX = 240_000

export type Manifest = {
  version: string
  dependencies: Record<string, string>
  peerDependencies?: Record<string, string>
  peerDependenciesMeta?: Record<string, { optional: boolean }>
  exports: Record<string, unknown>
}
export const readManifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest

/** Packs both; returns the paths of the tarballs. */
export function packAll(): { client: string; server: string } {
  if (!existsSync('web/dist/index.html')) run('npx', ['vite', 'build', 'web'])
  run(process.execPath, ['scripts/pack/pack.ts'])
  const { version } = readManifest(ROOT)
  return { client: join(ROOT, `dist/runyard-${version}.tgz`), server: join(ROOT, `dist/runyard-server-${version}.tgz`) }
}

type Ran = { status: number | null; output: string }

/** Runs a program to its end; fails with what it printed unless it succeeds. */
export function run(program: string, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): string {
  const { status, output } = tried(program, args, options)
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}:\n${output}`)
  return output
}

function tried(
  program: string,
  args: string[],
  { cwd = ROOT, env = {} }: { cwd?: string; env?: NodeJS.ProcessEnv },
): Ran {
  const ran = spawnSync(program, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: COMMAND_MS_MAX,
  })
  return { status: ran.status, output: `${ran.stdout}${ran.stderr}${ran.error ?? ''}` }
}

/** An empty folder with these files; gone when the test is finished. */
export function emptyProject(files: Record<string, string | object>): string {
  const folder = mkdtempSync(join(tmpdir(), 'runyard-stranger-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), typeof content === 'string' ? content : JSON.stringify(content))
  }
  return folder
}

/** As npm does it, with the registry's packages from its cache where it has them. */
export const npmInstall = (folder: string, ...packages: string[]): string =>
  run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...packages], { cwd: folder })

/** Unpacks a tarball beside the packages that it depends on, and no others, all from this repository. */
export function unpack(folder: string, tarball: string, name: string): string {
  const target = join(folder, 'node_modules', name)
  mkdirSync(target, { recursive: true })
  run('tar', ['-xzf', tarball, '-C', target, '--strip-components=1'])
  for (const dependency of Object.keys(readManifest(target).dependencies)) {
    const link = join(folder, 'node_modules', dependency)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', dependency), link)
  }
  return target
}

/** The Node of the machine, if that is another than the one that runs the tests. */
export const nodes = (): string[] => {
  const others = (process.env.PATH ?? '')
    .split(':')
    .filter((folder) => folder !== '' && !folder.includes('node_modules'))
    .map((folder) => join(folder, 'node'))
    .filter((path) => existsSync(path))
  return [...new Set([process.execPath, ...others.slice(0, 1)])]
}

export const filesIn = (folder: string): string[] => globSync('**/*', { cwd: folder })
