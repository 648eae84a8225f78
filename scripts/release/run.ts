// Programs that a release runs.
import { spawnSync } from 'node:child_process'

const MS_MAX = 600_000

/** What it prints; fails with what it said unless it succeeds. */
export function output(program: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    timeout: MS_MAX,
    maxBuffer: 64 * 1024 * 1024,
  })
  if (status === 0) return stdout
  throw error ?? new Error(`${program} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
}
