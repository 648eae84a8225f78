// What happened, for people and for programs.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Check } from './checks.ts'
import type { Oracle } from './load/oracle.ts'

/** `gapMs`: the longest time without an answer to a call that changes something, from the fault's begin on. */
export type Injected = { name: string; atSecs: number; tookMs: number; gapMs: number }

export type Report = {
  seed: number
  minutes: number
  date: string
  faults: { name: string; times: number; longestGapMs: number }[]
  skipped: { name: string; because: string }[]
  accepted: number
  decisions: { allowed: number; blocked: number }
  lost: number
  twice: number
  gaps: number
  nodesThatDied: string[]
  checks: Check[]
  ok: boolean
  injected: Injected[]
}

type ReportOf = Pick<Report, 'seed' | 'minutes' | 'skipped' | 'nodesThatDied' | 'checks' | 'injected'> & {
  oracle: Oracle
}

export function makeReport({ oracle, checks, injected, nodesThatDied, ...more }: ReportOf): Report {
  const wrongIn = (part: string) => checks.find(({ name }) => name.includes(part))?.wrong.length ?? 0
  const byName = Map.groupBy(injected, ({ name }) => name)
  return {
    ...more,
    date: new Date().toISOString().slice(0, 10),
    faults: [...byName].map(([name, all]) => ({
      name,
      times: all.length,
      longestGapMs: Math.round(Math.max(...all.map(({ gapMs }) => gapMs))),
    })),
    accepted: oracle.accepted.size,
    decisions: { allowed: oracle.allowed.size, blocked: oracle.blocked },
    lost: wrongIn('none is lost'),
    twice: wrongIn('exactly once') + wrongIn('no two attempts'),
    gaps: wrongIn('no gaps') + wrongIn('feeds of the project') + wrongIn('streams of runs'),
    nodesThatDied,
    checks,
    ok: checks.every(({ wrong }) => wrong.length === 0) && nodesThatDied.length === 0,
    injected,
  }
}

const WRONG_SHOWN_MAX = 5

export function asMarkdown(report: Report): string {
  const { seed, minutes, date, faults, skipped, accepted, decisions, lost, twice, gaps, checks, nodesThatDied } = report
  return [
    `Seed ${seed}, ${minutes} minutes, ${date}.`,
    '',
    ...table(
      [
        'runs accepted',
        'lost',
        'ended twice',
        'gaps',
        'calls allowed',
        'calls blocked',
        'nodes that died by themselves',
      ],
      [[accepted, lost, twice, gaps, decisions.allowed, decisions.blocked, nodesThatDied.length]],
    ),
    '',
    ...table(
      ['fault', 'times', 'longest gap of service'],
      faults.map(({ name, times, longestGapMs }) => [name, times, `${(longestGapMs / 1000).toFixed(1)} s`]),
    ),
    ...skipped.flatMap(({ name, because }) => ['', `Left out: ${name}, since ${because}.`]),
    '',
    ...table(
      ['afterwards', 'looked at', 'wrong'],
      checks.map(({ name, of, wrong }) => [name, of, wrong.length]),
    ),
    ...checks.flatMap(({ name, wrong }) =>
      wrong.length > 0 ? ['', `**${name}**`, '', ...wrong.slice(0, WRONG_SHOWN_MAX).map((one) => `- ${one}`)] : [],
    ),
    ...nodesThatDied.map((one) => `\n**died**: ${one}`),
    '',
  ].join('\n')
}

const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`)

export async function writeReport(report: Report, folder: string): Promise<void> {
  await writeFile(join(folder, 'chaos.json'), `${JSON.stringify(report, undefined, 2)}\n`)
  await writeFile(join(folder, 'chaos.md'), asMarkdown(report))
}

/** The longest time between two answers that touches the time from `fromMs` to `untilMs`. */
export function longestGapMs(answered: readonly number[], fromMs: number, untilMs: number): number {
  const inside = answered.filter((atMs) => atMs >= fromMs && atMs <= untilMs)
  const before = answered.findLast((atMs) => atMs < fromMs) ?? fromMs
  const after = answered.find((atMs) => atMs > untilMs) ?? untilMs
  const all = [before, ...inside, after]
  return all.reduce((longest, atMs, at) => Math.max(longest, at > 0 ? atMs - all[at - 1]! : 0), 0)
}
