// The changelog of a release: what stands under "Unreleased" moves under its version.

const HEADING = '## Unreleased\n'
const VERSION = /^(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?$/

/** The changelog with the version, and what it says of it. */
export function cutChangelog(text: string, version: string, date: string): { text: string; notes: string } {
  const [before, rest] = split(text, HEADING)
  if (rest === undefined) throw new Error('CHANGELOG.md has no "## Unreleased".')
  const end = rest.search(/^## /m)
  const notes = (end < 0 ? rest : rest.slice(0, end)).trim()
  const older = end < 0 ? '' : rest.slice(end)
  if (notes === '') throw new Error('Nothing is under "Unreleased" in CHANGELOG.md.')
  if (older.includes(`\n## ${version} `) || older.startsWith(`## ${version} `))
    throw new Error(`CHANGELOG.md already has the version ${version}.`)
  return {
    notes,
    text: `${before}${HEADING}\n## ${version} - ${date}\n\n${notes}\n${older === '' ? '' : `\n${older}`}`,
  }
}

function split(text: string, at: string): [string, string | undefined] {
  const index = text.indexOf(at)
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + at.length)]
}

/** The version that `asked` means: `major`, `minor`, `patch`, or a version that is later than the current one. */
export function nextVersion(current: string, asked: string): string {
  const now = VERSION.exec(current)
  if (!now) throw new Error(`package.json has the version ${current}, which is not one of SemVer.`)
  const [major, minor, patch] = now.slice(1, 4).map(Number) as [number, number, number]
  if (asked === 'major') return `${major + 1}.0.0`
  if (asked === 'minor') return `${major}.${minor + 1}.0`
  // A pre-release comes before its version.
  if (asked === 'patch') return now[4] === undefined ? `${major}.${minor}.${patch + 1}` : `${major}.${minor}.${patch}`
  const next = VERSION.exec(asked)
  if (!next)
    throw new Error(`"${asked}" is not a version: write major, minor, patch, or one such as 1.2.3 or 1.2.3-rc.1.`)
  if (!isLater(next, now)) throw new Error(`The version ${asked} is not later than ${current}.`)
  return asked
}

function isLater(next: RegExpExecArray, now: RegExpExecArray): boolean {
  for (const at of [1, 2, 3]) {
    const difference = Number(next[at]) - Number(now[at])
    if (difference !== 0) return difference > 0
  }
  if (now[4] === undefined || next[4] === undefined) return now[4] !== undefined && next[4] === undefined
  return next[4].localeCompare(now[4], 'en', { numeric: true }) > 0
}
