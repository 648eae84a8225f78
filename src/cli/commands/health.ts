// How the installation is: in short for monitoring, and in detail for whoever looks for a fault.
import { getMe } from '#contract/access.ts'
import { listAgents } from '#contract/agents.ts'
import { getOpenapi, getReady, getStats } from '#contract/operations.ts'
import type { Output } from '#contract/route.ts'
import { RunyardError } from '#sdk/error.ts'
import type { Cli } from '../cli.ts'
import { type Commands, declare } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { countWords, plural, spanWords } from '../moments.ts'
import { listItems } from '../pages.ts'
import { isReadByOthers } from '../profiles.ts'
import { oneLine } from '../safe-text.ts'

const AGENTS_MAX = 1_000
/** A reply is this old at most when it arrives: a clock that is off by more is off. */
const SKEW_MS_MAX = 5_000

export const healthCommands: Commands = (program, open) => {
  declare(program, open, 'status', {
    summary: 'Show how the server is; exits 1 if not ready',
    action: showStatus,
  })
  declare(program, open, 'doctor', {
    summary: 'Check connection, key, server and machine',
    description:
      'Check the connection, the key, the server and this machine; exit code 1 when something is wrong. With --quiet, only ' +
      'what is wrong is printed.',
    action: examine,
  })
}

const notReady = ({ checks }: Output<typeof getReady>) => checks.filter(({ ok, advisory }) => !ok && !advisory)

async function agentsOff(cli: Cli): Promise<{ id: string; disabled_reason: string | null }[]> {
  const off: { id: string; disabled_reason: string | null }[] = []
  try {
    for await (const { value } of listItems(cli, listAgents, { limit: AGENTS_MAX })) if (!value.enabled) off.push(value)
  } catch (error) {
    // A key without that scope still sees the rest.
    if (!(error instanceof RunyardError) || error.status !== 403) throw error
  }
  return off
}

async function showStatus(cli: Cli): Promise<void> {
  const { terminal } = cli
  const ready = await cli.ask(getReady, {})
  const stats = await cli.ask(getStats, {})
  const off = await agentsOff(cli)
  const failing = notReady(ready.value)
  if (ready.value.status !== 'ready') cli.exit = EXIT.no
  if (terminal.json)
    return terminal.document(
      JSON.stringify({
        ready: ready.value.status === 'ready',
        failing,
        stats: stats.value,
        agents_off: off.map(({ id }) => id),
      }),
    )
  const { runs, queues, pending_input_requests } = stats.value
  const counts = Object.entries(runs).filter(([, count]) => count > 0)
  terminal.facts([
    ['Server', cli.target.url],
    ready.value.status === 'ready' ? ['Status', 'ready', 'green'] : ['Status', 'not ready', 'red'],
    ['Runs', counts.map(([state, count]) => `${countWords(count)} ${state}`).join(', ') || 'none yet'],
    ['Questions', `${countWords(pending_input_requests)} waiting for an answer`],
    [
      'Agents off',
      off.map(({ id, disabled_reason }) => `${id}${disabled_reason ? ` (${disabled_reason})` : ''}`).join(', '),
    ],
    ...failing.map(({ name, reason }) => [`Failing`, `${name}${reason ? `: ${reason}` : ''}`] as const),
  ])
  if (queues.length === 0) return
  terminal.line()
  terminal.table(queues, [
    { title: 'QUEUE', of: (row) => row.queue },
    { title: 'QUEUED', of: (row) => countWords(row.queued), align: 'right', whole: true },
    { title: 'DELAYED', of: (row) => countWords(row.delayed), align: 'right', whole: true, extra: 1 },
    { title: 'EXECUTING', of: (row) => countWords(row.executing), align: 'right', whole: true },
    {
      title: 'OLDEST',
      of: (row) => (row.oldest_age_ms === null ? null : spanWords(row.oldest_age_ms)),
      align: 'right',
      whole: true,
    },
  ])
}

type Finding = { check: string; ok: boolean; words: string }

async function examine(cli: Cli): Promise<void> {
  const findings = [...aboutHere(cli), ...(await aboutServer(cli))]
  const bad = findings.filter(({ ok }) => !ok)
  if (bad.length > 0) cli.exit = EXIT.no
  const { terminal } = cli
  if (terminal.json) return terminal.document(JSON.stringify({ ok: bad.length === 0, findings }))
  for (const { check, ok, words } of terminal.quiet ? bad : findings) {
    const mark = ok ? terminal.style('green', 'ok  ') : terminal.style(['red', 'bold'], 'FAIL')
    terminal.line(`${mark}  ${check.padEnd(12)}  ${oneLine(words)}`)
  }
  terminal.say(bad.length === 0 ? 'Everything is in order.' : `${plural(bad.length, 'problem')} found.`)
}

function aboutHere(cli: Cli): Finding[] {
  const shared = isReadByOthers(cli.profilesPath)
  return [
    { check: 'node', ok: true, words: `Node ${process.versions.node} on ${process.platform} ${process.arch}` },
    {
      check: 'profiles',
      ok: !shared,
      words: shared
        ? `${cli.profilesPath} can be read by others; run: chmod 600 ${cli.profilesPath}`
        : cli.profilesPath,
    },
  ]
}

async function aboutServer(cli: Cli): Promise<Finding[]> {
  const { url, source, key } = cli.target
  const found: Finding[] = []
  try {
    const { value } = await cli.ask(getReady, {}, { retriesMax: 0 })
    found.push({ check: 'server', ok: true, words: `${url} answers (${source})` })
    const failing = notReady(value)
    const well = plural(value.checks.length - failing.length, 'check')
    found.push({ check: 'ready', ok: failing.length === 0, words: `${well} of the server passed` })
    for (const { name, reason } of failing)
      found.push({ check: 'ready', ok: false, words: `${name}${reason ? `: ${reason}` : ''}` })
    found.push(await aboutVersion(cli))
  } catch (error) {
    return [...found, { check: 'server', ok: false, words: `${url} (${source}): ${wordsOf(error)}` }]
  }
  if (key === undefined) return [...found, { check: 'key', ok: false, words: 'none; log in with: runyard login' }]
  try {
    const { value } = await cli.ask(getMe, {})
    found.push({ check: 'key', ok: true, words: `project ${value.project_id}, scopes ${value.scopes.join(' ')}` })
    const { value: stats } = await cli.ask(getStats, {})
    const skewMs = Date.now() - Date.parse(stats.as_of)
    const words = `this machine is ${spanWords(Math.abs(skewMs))} ${skewMs < 0 ? 'behind' : 'ahead of'} the server`
    found.push({ check: 'clock', ok: Math.abs(skewMs) <= SKEW_MS_MAX, words })
  } catch (error) {
    found.push({ check: 'key', ok: false, words: wordsOf(error) })
  }
  return found
}

async function aboutVersion(cli: Cli): Promise<Finding> {
  const { value } = await cli.ask(getOpenapi, {})
  const { version = 'unknown' } = (value as { info?: { version?: string } }).info ?? {}
  return { check: 'version', ok: true, words: `server ${version}` }
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
