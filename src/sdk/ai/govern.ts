// An agent within a run: its tools are governed, its model calls kept and booked.
import type { Jsonified } from '../json.ts'
import { type Functions, type FunctionTool, governedFunctions } from './functions.ts'
import { makeGate } from './gate.ts'
import { type Governable, type GovernOptions, governedCall, resultOf, type ToolCall } from './governed-call.ts'
import { governedMcp, type McpOptions } from './mcp-client.ts'
import { type Metering, type MeterOptions, modelCall } from './model-call.ts'
import { type MiddlewareOptions, type ModelMiddleware, modelMiddleware } from './model-middleware.ts'
import { type TokenUsage, tokenUsage } from './token-usage.ts'
import { governedTools, type OptionsOf } from './tools.ts'

/** What `meter` books, and where it reads that from. */
export type Meter<Answer> = MeterOptions & {
  /** Reads what was used from the answer; the usage of OpenAI, Anthropic and the AI SDK is known. */
  usage?: (answer: Answer) => TokenUsage
}

/** The helpers of one attempt. A call that was answered before is not made again by a later attempt. */
export type Govern = {
  /** Governs the tools of the AI SDK: a call that is not allowed is a tool error for the model. */
  tools: <Tools extends Record<string, object>>(tools: Tools, options?: OptionsOf<Tools>) => Tools
  /** Governs functions for OpenAI's API and those like it. */
  functions: (functions: Record<string, FunctionTool>) => Functions
  /** Governs the calls of an MCP client: one that is not allowed is a result with `isError`. */
  mcp: <Client extends Parameters<typeof governedMcp>[1]>(client: Client, options?: McpOptions) => Client
  /** Makes one governed call. Throws ToolBlocked or ToolFailed. */
  call: <Args, Result>(
    tool: string,
    args: Args,
    work: (args: Args, call: ToolCall) => Promise<Result> | Result,
    options?: GovernOptions,
  ) => Promise<Jsonified<Result>>
  /** A middleware for `wrapLanguageModel` of the AI SDK: answers of the model are kept, and their usage is booked. */
  middleware: (options?: MiddlewareOptions) => ModelMiddleware
  /** Calls a model in any other way: the answer is kept under the name and its number, and its usage is booked. */
  meter: <Answer>(
    name: string,
    ask: (call: ToolCall) => Promise<Answer>,
    options?: Meter<Answer>,
  ) => Promise<Jsonified<Answer>>
}

const known = new WeakMap<Governable['attempt'], Govern>()

/** The helpers of an attempt, given the context of its job: `const ai = govern(context)`. */
export function govern(context: Governable): Govern {
  const found = known.get(context.attempt)
  if (found) return found
  const made = makeGovern(context)
  known.set(context.attempt, made)
  return made
}

function makeGovern({ attempt, signal, step, log }: Governable): Govern {
  const metering: Metering = {
    attempt,
    signal,
    step,
    log,
    gate: makeGate(signal),
    counts: new Map(),
    broken: undefined,
    answered: new Map(),
    underWay: new Set(),
    spent: undefined,
  }
  return {
    tools: (tools, options) => governedTools(metering, tools, options),
    functions: (functions) => governedFunctions(metering, functions),
    mcp: (client, options) => governedMcp(metering, client, options),
    async call(tool, args, work, options) {
      const outcome = await governedCall(metering, { tool, args, options, work: work as (args: unknown) => unknown })
      return resultOf(tool, outcome) as never
    },
    middleware: (options) => modelMiddleware(metering, options),
    async meter(name, ask, { usage, provider, model, costMicrousd } = {}) {
      const answer = await modelCall(metering, {
        name,
        ask,
        bill: (fresh) => {
          const told = fresh as { model?: unknown; usage?: unknown } | null | undefined
          return {
            provider: provider ?? name,
            model: model ?? (typeof told?.model === 'string' ? told.model : name),
            usage: usage ? usage(fresh) : tokenUsage(told?.usage),
            ...(costMicrousd && { costMicrousd }),
          }
        },
      })
      return answer as never
    },
  }
}
