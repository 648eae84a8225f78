// `npm start` runs this first: builds the console if it is missing or older than its sources, and says so.
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, renameSync, rmSync, statSync } from 'node:fs'
import { resolve } from 'node:path'

const FOLDER = 'web/dist'
const BUILT = `${FOLDER}/index.html`

export function isConsoleCurrent(): boolean {
  if (!existsSync(BUILT)) return false
  const builtMs = statSync(BUILT).mtimeMs
  const sources = globSync('web/**/*.{ts,tsx,css,html,svg}').filter((path) => !path.startsWith('web/dist/'))
  return sources.every((path) => statSync(path).mtimeMs <= builtMs)
}

/** Built aside and moved into place: a node that reads it, and another build at the same time, never see half of one. */
export function buildConsole(): boolean {
  const aside = resolve(`node_modules/.cache/console-${process.pid}`)
  const build = spawnSync('node_modules/.bin/vite', ['build', 'web', '--outDir', aside], {
    stdio: 'inherit',
    // Whatever the caller is in, such as a test: otherwise React would be its larger, slower self.
    env: { ...process.env, NODE_ENV: 'production' },
  })
  if (build.status !== 0) return false
  rmSync(`${aside}-old`, { recursive: true, force: true })
  try {
    if (existsSync(FOLDER)) renameSync(FOLDER, `${aside}-old`)
    renameSync(aside, FOLDER)
  } catch {
    // Somebody else was quicker, with the same.
  }
  for (const path of [aside, `${aside}-old`]) rmSync(path, { recursive: true, force: true })
  return existsSync(BUILT)
}

if (import.meta.main && !isConsoleCurrent()) {
  process.stdout.write('Building the console …\n')
  // A node without a console serves the API all the same.
  if (!buildConsole()) process.stdout.write('The console could not be built; the API works without it.\n')
}
