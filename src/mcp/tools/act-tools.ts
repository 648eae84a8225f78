// Tools that change something: they trigger and control runs, answer questions, and stop an agent.
import { disableAgent } from '#contract/agents.ts'
import { answerInput, getInput } from '#contract/inputs.ts'
import type { Input, Output } from '#contract/route.ts'
import { startOperation } from '#contract/runs/bulk.ts'
import { cancelRun, pauseRun, redriveRun, replayRun, resumeRun } from '#contract/runs/run-controls.ts'
import { getRun, triggerRun } from '#contract/runs/runs.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { RunyardError } from '#sdk/error.ts'
import { sleep } from '#sdk/sleep.ts'
import {
  type Args,
  BadArguments,
  type Context,
  capped,
  fieldsOf,
  numberArg,
  pick,
  type Tool,
  textArg,
  textField,
  wholeField,
} from '../tool.ts'

const WAIT_SECS_MAX = 30
/** The pause between looks grows. */
const LOOK_EVERY_MS = 500
const LOOK_EVERY_MS_MAX = 2_000
const TRIGGER_FIELDS = ['payload', 'delay_secs', 'priority', 'tags', 'metadata', 'agent_id', 'idempotency_key']
const ACTIONS = {
  cancel: cancelRun,
  pause: pauseRun,
  resume: resumeRun,
  replay: replayRun,
  redrive: redriveRun,
} as const
type Action = keyof typeof ACTIONS

export const ACT_TOOLS: readonly Tool[] = [
  {
    name: 'trigger_run',
    title: 'Trigger a run',
    description:
      'Triggers a run of a job and returns its handle; with wait_secs it waits for the end, at most 30 seconds. The same ' +
      'idempotency_key returns the same run again, so repeat a call with the key of the first.',
    needs: 'runs:trigger',
    kind: 'adds',
    input: {
      job: textField('Id or slug of the job.'),
      ...fieldsOf(triggerRun.body, TRIGGER_FIELDS),
      wait_secs: wholeField(0, WAIT_SECS_MAX, 'How long to wait for the end of the run.'),
    },
    required: ['job', 'idempotency_key'],
    run: async (context, args) => {
      textArg(args, 'idempotency_key')
      const input = { job: textArg(args, 'job'), ...pick(args, TRIGGER_FIELDS) }
      const waitSecs = numberArg(args, 'wait_secs', { fallback: 0, min: 0, max: WAIT_SECS_MAX })
      return triggerAndWait(context, input as Input<typeof triggerRun>, waitSecs)
    },
  },
  {
    name: 'act_on_run',
    title: 'Cancel, pause, resume, replay or redrive a run',
    description:
      'Does one thing to one run. cancel also ends its children; pause, resume: a running or a paused run; replay: a new run ' +
      'like it; redrive: a dead letter again.',
    needs: 'runs:write',
    kind: 'destroys',
    input: {
      run_id: textField('Id of the run.'),
      action: { type: 'string', enum: Object.keys(ACTIONS), description: 'What to do.' },
      reason: textField('Why; stored in the event log. For cancel and pause.'),
    },
    required: ['run_id', 'action'],
    run: async ({ ask }, args) => {
      const action = textArg(args, 'action')
      if (!Object.hasOwn(ACTIONS, action))
        throw new BadArguments(`action must be one of ${Object.keys(ACTIONS).join(', ')}.`)
      const takesReason = action === 'cancel' || action === 'pause'
      const input = { run_id: textArg(args, 'run_id'), ...(takesReason && pick(args, ['reason'])) }
      const { id, status, replayed_from } = await ask(ACTIONS[action as Action], input)
      return { run_id: id, status, ...(replayed_from !== null && { replayed_from }) }
    },
  },
  {
    name: 'start_operation',
    title: 'Act on all runs of a filter',
    description:
      'Cancels, replays, redrives or dismisses all runs that match a filter, in the background. Call it twice: the first ' +
      'call changes nothing, and returns how many runs match and a token; the second call, with the same arguments and that ' +
      'token, starts it.',
    needs: 'runs:write',
    kind: 'destroys',
    input: {
      ...fieldsOf(startOperation.body, ['kind', 'filter', 'reason', 'max_runs']),
      token: textField('The token of the first call.'),
    },
    required: ['kind', 'filter'],
    run: operate,
  },
  {
    name: 'answer_question',
    title: 'Answer a question to people',
    description:
      'Answers a question or an approval on behalf of a person, who must have told you the answer. A key cannot answer what ' +
      'its own runs ask.',
    needs: 'inputs:answer',
    explicit: true,
    kind: 'destroys',
    input: { input_request_id: textField('Id of the question.'), ...fieldsOf(answerInput.body) },
    required: ['input_request_id'],
    run: answer,
  },
  {
    name: 'disable_agent',
    title: 'Turn an agent off',
    description:
      'The kill switch: its next call is blocked, its queued runs are held, its executing runs are paused. Only people turn it on again.',
    needs: 'agents:write',
    kind: 'destroys',
    input: { agent_id: textField('Id of the agent.'), reason: textField('Why; stored in the event log.') },
    required: ['agent_id', 'reason'],
    run: async ({ ask }, args) => {
      const agent = await ask(disableAgent, { agent_id: textArg(args, 'agent_id'), reason: textArg(args, 'reason') })
      return { agent_id: agent.id, enabled: agent.enabled }
    },
  },
]

/** The handle of the run, and how it ended if that is soon. */
export async function triggerAndWait(
  context: Context,
  input: Input<typeof triggerRun>,
  waitSecs: number,
): Promise<unknown> {
  const triggered = await context.ask(triggerRun, input)
  const { run, refusal } = await watchRun(context, triggered, performance.now() + waitSecs * 1000)
  const { id, status, error } = run
  const over = run.finished_at !== null
  return {
    run_id: id,
    status,
    over,
    ...(over && run.result !== undefined && { result: capped(run.result) }),
    ...(error !== null && { error }),
    ...((!over || refusal) && { next: nextWords(refusal) }),
  }
}

type Watched = { run: Output<typeof getRun>; refusal?: RunyardError }

/** The run when it has ended or time is up. One that cannot be read is triggered all the same, and keeps its handle. */
async function watchRun({ ask, signal }: Context, triggered: Watched['run'], untilMs: number): Promise<Watched> {
  const read = () => ask(getRun, { run_id: triggered.id, include: ['result'] })
  let run = triggered
  try {
    // A repeated key may find a run that has ended; what a trigger answers has no result.
    if (run.finished_at !== null) return { run: await read() }
    for (let pauseMs = LOOK_EVERY_MS; run.finished_at === null && performance.now() < untilMs; pauseMs *= 1.5) {
      await sleep(Math.min(pauseMs, LOOK_EVERY_MS_MAX, untilMs - performance.now()), signal)
      run = await read()
    }
    return { run }
  } catch (error) {
    if (!(error instanceof RunyardError)) throw error
    return { run, refusal: error }
  }
}

const nextWords = (refusal: RunyardError | undefined): string =>
  refusal?.status === 403
    ? 'This key cannot read runs (runs:read is missing): a person can look the run up by its id.'
    : 'Look again with get_run.'

async function operate({ ask, me }: Context, args: Args): Promise<unknown> {
  const body = pick(args, ['kind', 'filter', 'reason', 'max_runs'])
  const token = await tokenOf(me.key_id, body)
  const input = body as unknown as Input<typeof startOperation>
  if (args.token === undefined) {
    const preview = await ask(startOperation, { ...input, dry_run: true })
    return {
      ...preview,
      token,
      next: 'Tell the person how many runs match. Then call again with the same arguments and this token.',
    }
  }
  if (args.token !== token) throw new BadArguments('The token belongs to other arguments; call without a token first.')
  return ask(startOperation, input)
}

/** Ties the second call to what the first has counted. */
async function tokenOf(keyId: string, body: Args): Promise<string> {
  const text = canonicalJson([keyId, body])
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return Buffer.from(hash).toString('base64url').slice(0, 22)
}

/** An agent that answered its own question would need nobody's approval. */
async function answer({ ask, me }: Context, args: Args): Promise<unknown> {
  const input_request_id = textArg(args, 'input_request_id')
  const { run_id } = await ask(getInput, { input_request_id })
  const own =
    run_id === null
      ? me.scopes.some((scope) => scope === 'agents:write' || scope === 'admin')
      : await isOwnRun({ ask, me }, run_id)
  if (own)
    throw new BadArguments(
      'This question was asked by a run or call of your own key; a person must answer it elsewhere.',
    )
  const body = pick(args, ['approved', 'feedback', 'params'])
  const {
    id,
    status,
    answer: given,
  } = await ask(answerInput, { input_request_id, ...body } as Input<typeof answerInput>)
  return { input_request_id: id, status, answer: given }
}

async function isOwnRun({ ask, me }: Pick<Context, 'ask' | 'me'>, run_id: string): Promise<boolean> {
  const { created_by } = await ask(getRun, { run_id, include: [] })
  return created_by.type === 'api_key' && created_by.id === me.key_id
}
