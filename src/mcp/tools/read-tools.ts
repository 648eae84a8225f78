// Tools that answer questions about runs and the project, and change nothing.
import { getAgent, tryPolicy } from '#contract/agents.ts'
import { readChainTree } from '#contract/chains.ts'
import { listRunEvents } from '#contract/events.ts'
import { listInputs } from '#contract/inputs.ts'
import { getJob, listJobs } from '#contract/jobs.ts'
import { getReady, getStats } from '#contract/operations.ts'
import type { Input } from '#contract/route.ts'
import { listAttempts } from '#contract/runs/debug.ts'
import { getRun, listRuns, whyRun } from '#contract/runs/runs.ts'
import { verifyEvents } from '#contract/seals.ts'
import { listUsage, sumUsage } from '#contract/usage.ts'
import { own } from '#core/own.ts'
import {
  type Args,
  BadArguments,
  type Context,
  capped,
  compact,
  fieldsOf,
  inputOf,
  numberArg,
  pick,
  type Tool,
  textArg,
  textField,
  wholeField,
} from '../tool.ts'

const ROWS = 20
const EVENTS_MAX = 100
const RUN_ID = { run_id: textField('Id of the run.') }
const FILTERS = Object.keys(fieldsOf(listRuns.query)).filter((name) => name !== 'limit')

const row = (run: { id: string } & Record<string, unknown>) =>
  compact({
    ...pick(run, [
      'id',
      'status',
      'job_slug',
      'attempt',
      'agent_id',
      'created_at',
      'finished_at',
      'error',
      'error_code',
      'tags',
    ]),
  })

export const READ_TOOLS: readonly Tool[] = [
  {
    name: 'overview',
    title: 'Overview',
    description:
      'How the installation is now: ready or not, runs by state, backlog of each queue, questions that wait for a person.',
    needs: 'runs:read',
    kind: 'reads',
    input: {},
    run: async ({ ask }) => {
      const ready = await ask(getReady, {})
      const stats = await ask(getStats, {})
      const failing = ready.checks
        .filter(({ ok, advisory }) => !ok && !advisory)
        .map(({ name, reason }) => ({ name, reason }))
      const runs = Object.fromEntries(Object.entries(stats.runs).filter(([, count]) => count > 0))
      return {
        status: ready.status,
        failing,
        runs,
        pending_questions: stats.pending_input_requests,
        queues: stats.queues,
        as_of: stats.as_of,
      }
    },
  },
  {
    name: 'find_runs',
    title: 'Find runs',
    description: `Lists runs, newest first, ${ROWS} at a time; filters combine with AND. Continue with next_cursor.`,
    needs: 'runs:read',
    kind: 'reads',
    input: fieldsOf(listRuns.query, FILTERS),
    run: async ({ ask }, args) => {
      const page = await ask(listRuns, { ...pick(args, FILTERS), limit: ROWS } as Input<typeof listRuns>)
      return { runs: page.data.map(row), next_cursor: page.next_cursor }
    },
  },
  {
    name: 'get_run',
    title: 'Get a run',
    description:
      'One run: its state, why it stands there, its latest attempts, its cost, and the beginning of payload and result.',
    needs: 'runs:read',
    kind: 'reads',
    input: RUN_ID,
    required: ['run_id'],
    run: async ({ ask }, args) => {
      const run_id = textArg(args, 'run_id')
      const run = await ask(getRun, { run_id })
      const [why, attempts, usage] = await Promise.all([
        ask(whyRun, { run_id }),
        ask(listAttempts, { run_id, limit: ROWS }),
        ask(listUsage, { run_id, limit: 1 }),
      ])
      const { payload, result, execution_trace: _trace, overrides: _overrides, ...head } = run
      return {
        run: compact(head),
        why: why.sentence,
        attempts: attempts.data.map((attempt) =>
          compact(pick(attempt, ['attempt', 'outcome', 'started_at', 'ended_at', 'error', 'error_code', 'owner'])),
        ),
        usage: usage.totals,
        payload: capped(payload),
        result: capped(result),
      }
    },
  },
  {
    name: 'why_run',
    title: 'Why a run is not progressing',
    description: 'Explains in a sentence why a run stands where it stands, and what would move it.',
    needs: 'runs:read',
    kind: 'reads',
    input: RUN_ID,
    required: ['run_id'],
    run: async ({ ask }, args) => ask(whyRun, { run_id: textArg(args, 'run_id') }),
  },
  {
    name: 'read_run_events',
    title: 'Read the log of a run',
    description: `The events of a run by sequence, at most ${EVENTS_MAX} at a time. Continue with after_sequence.`,
    needs: 'runs:read',
    kind: 'reads',
    input: {
      ...RUN_ID,
      ...fieldsOf(listRunEvents.query, ['after_sequence', 'level', 'type']),
      limit: wholeField(1, EVENTS_MAX, 'How many events.'),
    },
    required: ['run_id'],
    run: async ({ ask }, args) => {
      const limit = numberArg(args, 'limit', { fallback: 50, min: 1, max: EVENTS_MAX })
      const given = pick(args, ['run_id', 'after_sequence', 'level', 'type'])
      const page = await ask(listRunEvents, { ...given, limit } as Input<typeof listRunEvents>)
      const shown = ['sequence', 'type', 'occurred_at', 'level', 'message', 'step', 'tool', 'duration_ms']
      return {
        events: page.data.map((event) => ({
          ...compact(pick(event, shown)),
          ...(event.data !== null && { data: capped(event.data) }),
        })),
        after_sequence: page.data.at(-1)?.sequence ?? null,
        has_more: page.has_more,
      }
    },
  },
  {
    name: 'read_run_data',
    title: 'Read payload or result of a run',
    description: 'A part of the payload or the result of a run, chosen by a JSON pointer such as /items/0/name.',
    needs: 'runs:read',
    kind: 'reads',
    input: {
      ...RUN_ID,
      what: { type: 'string', enum: ['payload', 'result'], description: 'Which body.' },
      pointer: { type: 'string', description: 'JSON pointer (RFC 6901); the whole body without it.' },
    },
    required: ['run_id', 'what'],
    run: readData,
  },
]

export const PROJECT_TOOLS: readonly Tool[] = [
  {
    name: 'trace_causes',
    title: 'Trace causes',
    description:
      'What caused what: the tree of events of a causal chain, indented. Every run names its correlation_id.',
    needs: 'events:read',
    kind: 'reads',
    input: inputOf(readChainTree),
    required: ['correlation_id'],
    run: async ({ ask }, args) => {
      const tree = await ask(readChainTree, { correlation_id: textArg(args, 'correlation_id') })
      const lines = tree.data
        .slice(0, 500)
        .map(
          ({ depth, type, occurred_at, run_id }) =>
            `${'  '.repeat(Math.min(depth, 30))}${occurred_at} ${type}${run_id ? ` run=${run_id}` : ''}`,
        )
      return { tree: lines, truncated: tree.truncated || tree.data.length > lines.length }
    },
  },
  {
    name: 'usage_summary',
    title: 'Sum usage and cost',
    description: 'Model usage and cost over a period, by up to two of day, hour, job, agent, provider and model.',
    needs: 'runs:read',
    kind: 'reads',
    input: inputOf(sumUsage),
    run: async ({ ask }, args) => {
      const sums = await ask(sumUsage, args as Input<typeof sumUsage>)
      return { ...sums, data: sums.data.slice(0, 200), has_more: sums.has_more || sums.data.length > 200 }
    },
  },
  {
    name: 'list_jobs',
    title: 'List jobs',
    description: 'The jobs of the project, newest first.',
    needs: 'jobs:read',
    kind: 'reads',
    input: fieldsOf(listJobs.query, ['slug', 'tag', 'execution', 'cursor']),
    run: async ({ ask }, args) => {
      const page = await ask(listJobs, { ...pick(args, ['slug', 'tag', 'execution', 'cursor']), limit: 50 } as Input<
        typeof listJobs
      >)
      const shown = ['slug', 'name', 'description', 'execution', 'queue', 'cron', 'paused_at', 'enabled']
      return { jobs: page.data.map((job) => compact(pick(job, shown))), next_cursor: page.next_cursor }
    },
  },
  {
    name: 'get_job',
    title: 'Get a job',
    description: 'A job with its settings and the schema of its payload.',
    needs: 'jobs:read',
    kind: 'reads',
    input: inputOf(getJob),
    required: ['job'],
    run: async ({ ask }, args) => compact(await ask(getJob, { job: textArg(args, 'job') })),
  },
  {
    name: 'list_questions',
    title: 'List questions to people',
    description: 'Questions and approvals that wait for a person, or were answered.',
    needs: 'runs:read',
    kind: 'reads',
    input: fieldsOf(listInputs.query, ['status', 'kind', 'agent_id', 'run_id', 'cursor']),
    run: async ({ ask }, args) => {
      const given = pick(args, ['status', 'kind', 'agent_id', 'run_id', 'cursor'])
      const page = await ask(listInputs, { status: 'pending', ...given, limit: ROWS } as Input<typeof listInputs>)
      return {
        questions: page.data.map((question) => ({ ...compact(question), params: capped(question.params) })),
        next_cursor: page.next_cursor,
      }
    },
  },
  {
    name: 'get_agent',
    title: 'Get an agent',
    description: 'An agent: whether it is on, and its policy.',
    needs: 'agents:read',
    kind: 'reads',
    input: inputOf(getAgent),
    required: ['agent_id'],
    run: async ({ ask }, args) => ask(getAgent, { agent_id: textArg(args, 'agent_id') }),
  },
  {
    name: 'try_policy',
    title: 'Try a policy',
    description:
      "Decides an agent's past calls by another policy, and tells what would have been different. Changes nothing.",
    needs: 'agents:read',
    kind: 'reads',
    input: { ...inputOf(tryPolicy), ...fieldsOf(tryPolicy.body) },
    required: ['agent_id', 'policy'],
    run: async ({ ask }, args) => ask(tryPolicy, args as Input<typeof tryPolicy>),
  },
  {
    name: 'verify_log',
    title: 'Verify the log',
    description:
      'Verifies the event log against its seals, up to a million events a call. Continue with what next says.',
    needs: 'events:read',
    kind: 'reads',
    input: inputOf(verifyEvents),
    run: async ({ ask }, args) => ask(verifyEvents, args as Input<typeof verifyEvents>),
  },
]

async function readData({ ask }: Context, args: Args): Promise<unknown> {
  const what = textArg(args, 'what')
  if (what !== 'payload' && what !== 'result') throw new BadArguments('what must be payload or result.')
  const run = await ask(getRun, { run_id: textArg(args, 'run_id'), include: [what] })
  let value: unknown = run[what]
  const pointer = typeof args.pointer === 'string' ? args.pointer : ''
  if (pointer !== '' && !pointer.startsWith('/'))
    throw new BadArguments('pointer must begin with a slash, such as /items/0.')
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
    const member = typeof value === 'object' && value !== null ? own(value as Record<string, unknown>, key) : undefined
    if (member === undefined) throw new BadArguments(`The ${what} has nothing at ${pointer}.`)
    value = member
  }
  return { [what]: capped(value) }
}
