// Jobs: the list, one, its schedule, and making it what a file says.
import type { Command } from 'commander'
import { JobInput, JobPatch } from '#contract/job.ts'
import { createJob, deleteJob, getJob, getSchedule, listJobs, pauseJob, resumeJob, updateJob } from '#contract/jobs.ts'
import type { Input } from '#contract/route.ts'
import { RunyardError } from '#sdk/error.ts'
import type { Cli } from '../cli.ts'
import { type Commands, declare, onlyArg, textOf, type Values } from '../command.ts'
import { CommandError, EXIT, invalidInput } from '../exit-codes.ts'
import { confirm, readFileText, readJsonText } from '../input-text.ts'
import { agoWords, clockWords } from '../moments.ts'
import { limitOf, limitOption, showList } from '../pages.ts'
import { oneLine } from '../safe-text.ts'
import { queryOptions, schemaFields } from '../schema-options.ts'
import { changedFields, showChanges } from '../show/changes.ts'

const filters = queryOptions(listJobs, { skip: ['cursor', 'limit'] })
const JOBS_MAX = 1_000

export const jobCommands: Commands = (program, open) => {
  declare(program, open, 'jobs', {
    summary: 'List jobs',
    options: (command) => void limitOption(filters.addTo(command) && command),
    action: async (cli, given) =>
      showList(cli, listJobs, {
        input: await filters.read(given),
        limit: limitOf(given),
        none: 'There are no jobs; create one with: runyard job apply -f job.json',
        show: (rows) =>
          cli.terminal.table(rows, [
            { title: 'JOB', of: (row) => row.slug, whole: true },
            { title: 'EXECUTION', of: (row) => row.execution, whole: true },
            { title: 'QUEUE', of: (row) => row.queue },
            { title: 'VERSION', of: (row) => row.version, align: 'right', whole: true },
            { title: 'STATE', of: stateOf, style: (row) => (stateOf(row) === 'active' ? 'green' : 'yellow') },
            { title: 'CRON', of: (row) => row.cron, extra: 1 },
            { title: 'NEXT', of: (row) => row.next_cron_at && agoWords(row.next_cron_at), extra: 2 },
          ]),
      }),
  })
  const job = declare(program, open, 'job <job>', {
    summary: 'Show or change a job',
    examples: ['job invoice', 'job apply -f jobs.json --dry-run', 'job pause invoice --reason "bank is down"'],
    action: async (cli, _, args) => {
      const { value, text } = await cli.ask(getJob, { job: onlyArg(args) })
      if (cli.terminal.json) return cli.terminal.document(text)
      const plain = (given: unknown) => (typeof given === 'string' ? given : JSON.stringify(given))
      const isPlain = (given: unknown) => given === null || given === '' || given === undefined
      const empty = (given: unknown) => isPlain(given) || plain(given) === '{}' || plain(given) === '[]'
      cli.terminal.facts(
        Object.entries(value).flatMap(([name, given]) => (empty(given) ? [] : [[name, plain(given)] as const])),
      )
    },
  })
  switchCommands(job, open)
  declare(job, open, 'apply', {
    summary: 'Create jobs, or change them to what a file says',
    description:
      'Create jobs, or change them to what a file says: one job or an array of jobs, as JSON with the fields of the API. ' +
      'Fields that the file leaves out keep their values.',
    examples: ['job apply -f job.json', 'job apply -f jobs.json --dry-run'],
    options: (command) => {
      command.requiredOption('-f, --file <file>', 'Jobs as JSON; - for stdin')
      command.option('--dry-run', 'Show what would change, and change nothing')
    },
    action: applyJobs,
  })
}

type Switched = { paused_at: string | null; enabled: boolean }
const stateOf = ({ paused_at, enabled }: Switched) =>
  enabled ? (paused_at === null ? 'active' : 'paused') : 'disabled'

const switchCommands: Commands = (job: Command, open) => {
  declare(job, open, 'pause <job>', {
    summary: 'Pause a job: no more of its runs start',
    options: (command) => void command.option('--reason <text>', 'Why; stored in the event log'),
    action: async (cli, given, args) => {
      const reason = textOf(given, 'reason')
      const { value, text } = await cli.ask(pauseJob, { job: onlyArg(args), ...(reason !== undefined && { reason }) })
      if (cli.terminal.json) return cli.terminal.document(text)
      cli.terminal.say(`Job ${value.slug} is paused.`)
    },
  })
  declare(job, open, 'resume <job>', {
    summary: 'Resume a paused job',
    action: async (cli, _, args) => {
      const { value, text } = await cli.ask(resumeJob, { job: onlyArg(args) })
      if (cli.terminal.json) return cli.terminal.document(text)
      cli.terminal.say(`Job ${value.slug} is ${stateOf(value)}.`)
    },
  })
  declare(job, open, 'schedule <job>', {
    summary: 'Show when a job is triggered next',
    options: (command) => void command.option('--count <number>', 'How many times to show', '10'),
    action: async (cli, given, args) => {
      const { value, text } = await cli.ask(getSchedule, { job: onlyArg(args), count: Number(given.count) })
      const { terminal } = cli
      if (terminal.json) return terminal.document(text)
      if (value.cron === null) return terminal.say('The job has no schedule.')
      terminal.say(`${oneLine(value.cron)} in ${oneLine(value.timezone)}${value.fires ? '' : '; it is off'}`)
      for (const time of value.next) terminal.line(`${clockWords(time, terminal.utc)}  ${agoWords(time)}`)
    },
  })
  declare(job, open, 'delete <job>', {
    summary: 'Delete a job; its runs stay readable',
    options: (command) => {
      command.option('--cancel-runs', 'Cancel its runs that have not ended')
      command.option('-y, --yes', 'Do not ask for confirmation')
    },
    action: async (cli, given, args) => {
      const slug = onlyArg(args)
      const agreed = given.yes === true || (await confirm(cli, `Delete job ${oneLine(slug)}?`))
      if (!agreed) throw new CommandError('not_confirmed', 'Nothing was done.', { exit: EXIT.no })
      await cli.ask(deleteJob, { job: slug, cancel_runs: given.cancelRuns === true })
      cli.terminal.say(`Job ${oneLine(slug)} was deleted.`)
    },
  })
}

type Definition = Record<string, unknown> & { slug: string }

async function applyJobs(cli: Cli, given: Values): Promise<void> {
  const path = textOf(given, 'file')!
  const parsed = JSON.parse(await readJsonText(await readFileText(path), path)) as unknown
  const all = Array.isArray(parsed) ? parsed : [parsed]
  if (all.length > JOBS_MAX) throw invalidInput(`${path} holds more than ${JOBS_MAX} jobs.`)
  // All are checked before the first is changed.
  const definitions = all.map((one, index) => requireDefinition(one, all.length > 1 ? `${path}[${index}]` : path))
  for (const definition of definitions) await applyJob(cli, definition, given.dryRun === true)
}

function requireDefinition(value: unknown, where: string): Definition {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidInput(`${where} is not a job: it must be a JSON object.`)
  if (!('slug' in value) || typeof value.slug !== 'string') throw invalidInput(`${where} lacks a slug.`)
  const unknown = Object.keys(value).filter((name) => !Object.hasOwn(schemaFields(JobInput), name))
  if (unknown.length > 0) throw invalidInput(`${where} has fields that jobs do not have: ${unknown.join(', ')}.`)
  return value as Definition
}

async function applyJob(cli: Cli, definition: Definition, dryRun: boolean): Promise<void> {
  const { terminal } = cli
  const { slug } = definition
  const existing = await cli.ask(getJob, { job: slug }).catch((error: unknown) => {
    if (error instanceof RunyardError && error.code === 'job_not_found') return undefined
    throw error
  })
  const before: Record<string, unknown> = existing?.value ?? {}
  const changes = changedFields(before, definition).filter(
    ({ field }) => !existing || Object.hasOwn(schemaFields(JobPatch), field),
  )
  if (existing && changes.length === 0) return showUpToDate(cli, slug, existing.text)
  // Secrets in headers are masked when they are read: only the server knows whether they differ, once it has them.
  const onlyHeaders = changes.every(({ field }) => field === 'endpoint_headers')
  if (!existing || !onlyHeaders || dryRun) {
    terminal.say(existing ? `Job ${oneLine(slug)} changes:` : `Job ${oneLine(slug)} is new:`)
    showChanges(cli, changes)
  }
  if (dryRun) return
  const patch = Object.fromEntries(changes.map(({ field, to }) => [field, to]))
  const { value, text } = existing
    ? await cli.ask(updateJob, { job: slug, ...patch } as Input<typeof updateJob>)
    : await cli.ask(createJob, definition as unknown as Input<typeof createJob>)
  if (value.version === existing?.value.version) return showUpToDate(cli, slug, text)
  if (existing && onlyHeaders) {
    terminal.say(`Job ${oneLine(slug)} changed:`)
    showChanges(cli, changes)
  }
  if (terminal.json) return terminal.record(text)
  terminal.line(`${oneLine(value.slug)}  version ${value.version}`)
  if (value.signing_secret) {
    terminal.line(`signing secret  ${oneLine(value.signing_secret)}`)
    terminal.say('The secret is shown this once: keep it now.')
  }
}

function showUpToDate({ terminal }: Cli, slug: string, text: string): void {
  if (terminal.json) terminal.record(text)
  terminal.say(`Job ${oneLine(slug)} is up to date.`)
}
