// Questions to people. The run rests until somebody answers, and the answer is the same in every later attempt.
import { checkedValue, type InputOf, jsonSchemaOf, type OutputOf, type ValueSchema } from '../job/value-schema.ts'
import type { Attempt } from '../worker/attempt.ts'
import type { Names } from './names.ts'

type Params = Record<string, unknown>

type Asked = {
  /** The question. */
  prompt: string
  /** What it is about; shown with it. */
  params?: Params
  /** Names of params that the answer may change. */
  editable?: readonly string[]
  /** Whom it is for. */
  assignee?: string
  /** Seconds after which it expires; it does not unless set. */
  expiresInSecs?: number
}

/** A question with yes or no as its answer. */
export type ApprovalQuestion = Asked & {
  /** The answer when nobody gives one in time; without it the run fails. */
  onExpiry?: { approved: boolean; params?: Params }
}

/** A question whose answer is a value. */
export type FeedbackQuestion<Schema extends ValueSchema> = Asked & {
  /** What the answer must be. */
  answer: Schema
  /** The answer when nobody gives one in time; without it the run fails. */
  onExpiry?: InputOf<Schema>
}

/** What a person has answered to a question with yes or no. */
export type Approval<P extends Params = Params> = {
  approved: boolean
  /** The params, as the answer left them. */
  params: P
  /** What was said besides yes or no. */
  feedback: unknown
  /** False when nobody answered in time, and `onExpiry` stands for the answer. */
  answered: boolean
}

export type Questions = {
  /** Asks a person, and rests until somebody answers. */
  ask: {
    <Schema extends ValueSchema>(name: string, question: FeedbackQuestion<Schema>): Promise<OutputOf<Schema>>
    (name: string, question: ApprovalQuestion): Promise<Approval>
  }
}

type Asking = { attempt: Pick<Attempt, 'ask'>; signal: AbortSignal; names: Names }

export function makeQuestions({ attempt, signal, names }: Asking): Questions {
  async function ask(name: string, question: ApprovalQuestion | FeedbackQuestion<ValueSchema>): Promise<unknown> {
    names.take(name)
    signal.throwIfAborted()
    const { status, answer } = await attempt.ask({ key: name, ...wireQuestion(question) })
    // Nobody has answered: the run rests now, and its lease is gone.
    signal.throwIfAborted()
    const { approved = false, feedback = null, params = {} } = (answer ?? {}) as Partial<Approval>
    if ('answer' in question) return checkedValue(question.answer, feedback, 'answer')
    return { approved, feedback, params, answered: status === 'answered' } satisfies Approval
  }
  return { ask: ask as Questions['ask'] }
}

function wireQuestion(question: ApprovalQuestion | FeedbackQuestion<ValueSchema>) {
  const { prompt, params, editable, assignee, expiresInSecs, onExpiry } = question
  const schema = 'answer' in question ? jsonSchemaOf(question.answer, 'input') : undefined
  const isFeedback = 'answer' in question
  return {
    kind: isFeedback ? ('feedback' as const) : ('approval' as const),
    prompt,
    ...(params !== undefined && { params }),
    ...(editable !== undefined && { editable_params: [...editable] }),
    ...(assignee !== undefined && { assignee }),
    ...(schema !== undefined && { schema }),
    ...(expiresInSecs !== undefined && { expires_in_secs: expiresInSecs }),
    ...(onExpiry !== undefined && {
      on_expiry: 'default' as const,
      default: isFeedback ? { feedback: onExpiry } : (onExpiry as { approved: boolean; params?: Params }),
    }),
  }
}
