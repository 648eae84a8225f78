// A call of a model: made once in the life of a run, and booked. Its answer is kept, so when the code comes by again, after a
// rest or a crash, the conversation goes the way it went before.
import { beginOf } from '../text-slices.ts'
import { AttemptFailed } from '../worker/lease.ts'
import { BudgetSpent } from './errors.ts'
import { type Governing, mayGoOn, type ToolCall } from './governed-call.ts'
import { plainJson } from './plain-json.ts'
import type { TokenUsage } from './token-usage.ts'

/** What the calls of a model are booked as. */
export type MeterOptions = {
  /** Provider as prices know it, such as `openai`. */
  provider?: string
  /** Model as prices know it. */
  model?: string
  /** Cost of the call in micro-USD; calculated from the price of the model unless set. */
  costMicrousd?: (usage: TokenUsage) => number
}

/** What the model calls of an attempt share. */
export type Metering = Governing & {
  /** How many calls of each name have an answer. */
  answered: Map<string, number>
  underWay: Set<string>
  /** Set when a call has overdrawn a budget. */
  spent: BudgetSpent | undefined
}

export type Asking<Answer> = {
  name: string
  ask: (call: ToolCall) => Promise<Answer>
  bill: (answer: Answer) => Bill
}
export type Bill = {
  provider: string
  model: string
  /** Undefined when the answer does not say. */
  usage: TokenUsage | undefined
  costMicrousd?: MeterOptions['costMicrousd']
}

const NAME_CHARS_MAX = 100

/** The answer as JSON gives it back. */
export async function modelCall<Answer>(metering: Metering, { name, ask, bill }: Asking<Answer>): Promise<unknown> {
  const { step, answered, underWay } = metering
  const short = beginOf(name, NAME_CHARS_MAX)
  if (underWay.has(short)) {
    // Their order could be another one when the code comes by again.
    throw new AttemptFailed(
      `Two calls of model ${name} are under way at once: give each conversation a name of its own`,
      {
        code: 'model_calls_overlap',
        retryable: false,
      },
    )
  }
  underWay.add(short)
  try {
    mayGoOn(metering)
    const number = (answered.get(short) ?? 0) + 1
    const answer = await step(
      `${short} ${number}`,
      async (call) => {
        if (metering.spent) throw metering.spent
        const fresh = await ask(call)
        // Before the answer is kept: a call that is made again after a crash has cost twice.
        await book(metering, name, bill(fresh))
        return plainJson(fresh)
      },
      { tool: short },
    )
    answered.set(short, number)
    return answer
  } finally {
    underWay.delete(short)
  }
}

async function book(metering: Metering, name: string, bill: Bill): Promise<void> {
  const { provider, model, usage, costMicrousd } = bill
  if (!usage) {
    await metering.log(`The answer of model ${name} does not say what it used: nothing was booked`, undefined, {
      level: 'warn',
    })
    return
  }
  const { promptTokens, completionTokens, totalTokens, cachedTokens, reasoningTokens } = usage
  const { over_budget: over } = await metering.attempt.usage({
    provider,
    model,
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    ...(totalTokens !== undefined && { total_tokens: totalTokens }),
    ...(cachedTokens !== undefined && { cached_tokens: cachedTokens }),
    ...(reasoningTokens !== undefined && { reasoning_tokens: reasoningTokens }),
    ...(costMicrousd && { cost_microusd: Math.round(costMicrousd(usage)) }),
  })
  if (over && !over.observed) {
    const { reason, limit_microusd: limit, spent_microusd: spent } = over
    metering.spent = new BudgetSpent({ reason, limit, spent })
  }
}
