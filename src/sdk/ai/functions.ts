// Functions for models that are called with OpenAI's API or one like it: their descriptions, and who answers the calls.
import { checkedValue, InvalidValue, jsonSchemaOf, type ValueSchema } from '../job/value-schema.ts'
import { ToolBlocked } from './errors.ts'
import { type Governing, type GovernOptions, governedCall, type ToolCall } from './governed-call.ts'

/** One function that a model may call, and how its calls are governed. */
export type FunctionTool = GovernOptions & {
  description?: string
  /** What the args must be: a Standard Schema with JSON Schema, or a JSON Schema; an empty object unless set. */
  parameters?: ValueSchema
  /** Asks the model to keep to the parameters, where it can. */
  strict?: boolean
  // biome-ignore lint/suspicious/noExplicitAny: the args are what `parameters` says, as each function knows.
  execute: (args: any, call: ToolCall) => unknown
}

type Description = { name: string; description?: string; parameters: Record<string, unknown>; strict?: boolean }
type ChatCall = { id: string; type?: string; function?: { name: string; arguments: string } }
type ResponseItem = { type: string; call_id?: string; name?: string; arguments?: string }

/** Governed functions, as descriptions for the model and as answers to its calls. */
export type Functions = {
  /** `tools` of chat completions. */
  chatTools: { type: 'function'; function: Description }[]
  /** `tools` of responses. */
  responseTools: (Description & { type: 'function'; strict: boolean })[]
  /** The messages that answer the `tool_calls` of a message. */
  answerChat: (
    calls: readonly ChatCall[] | null | undefined,
  ) => Promise<{ role: 'tool'; tool_call_id: string; content: string }[]>
  /** The items that answer the function calls among the `output` of a response. */
  answerResponse: (
    output: readonly ResponseItem[],
  ) => Promise<{ type: 'function_call_output'; call_id: string; output: string }[]>
}

const NO_PARAMETERS = { type: 'object', properties: {}, additionalProperties: false }

export function governedFunctions(governing: Governing, functions: Record<string, FunctionTool>): Functions {
  const byName = new Map(Object.entries(functions))
  const descriptions = [...byName].map(([name, it]) => descriptionOf(name, it))
  const answer = (name: string, text: string) => answerCall(governing, { name, text, tool: byName.get(name) })
  return {
    chatTools: descriptions.map((it) => ({ type: 'function', function: it })),
    responseTools: descriptions.map((it) => ({ type: 'function', strict: false, ...it })),
    answerChat: (calls) =>
      answerAll(calls ?? [], async ({ id, function: called }) => ({
        role: 'tool',
        tool_call_id: id,
        content: called ? await answer(called.name, called.arguments) : errorText('Only functions can be called'),
      })),
    answerResponse: (output) =>
      answerAll(
        output.filter(({ type }) => type === 'function_call'),
        async ({ call_id = '', name = '', arguments: text = '' }) => ({
          type: 'function_call_output',
          call_id,
          output: await answer(name, text),
        }),
      ),
  }
}

function descriptionOf(name: string, { description, parameters, strict }: FunctionTool): Description {
  const schema = parameters === undefined ? NO_PARAMETERS : jsonSchemaOf(parameters, 'input')
  if (!schema) throw new TypeError(`The parameters of function ${name} cannot be described as JSON Schema`)
  return {
    name,
    ...(description !== undefined && { description }),
    parameters: schema,
    ...(strict !== undefined && { strict }),
  }
}

/** All of them end before the first error is thrown: none goes on behind the back of the attempt. */
async function answerAll<Call, Answer>(calls: readonly Call[], answer: (call: Call) => Promise<Answer>) {
  const settled = await Promise.allSettled(calls.map(answer))
  return settled.map((it) => {
    if (it.status === 'rejected') throw it.reason
    return it.value
  })
}

type Answering = { name: string; text: string; tool: FunctionTool | undefined }

/** The result as text, or what was wrong: a model makes up names and args. */
async function answerCall(governing: Governing, { name, text, tool }: Answering): Promise<string> {
  if (!tool) return errorText(`Function ${name} not found`)
  let args: unknown
  try {
    args = await checkedArgs(tool, JSON.parse(text || '{}'))
  } catch (error) {
    return errorText(error instanceof SyntaxError ? 'The arguments are not JSON' : String((error as Error).message))
  }
  const outcome = await governedCall(governing, {
    tool: name,
    args,
    options: tool,
    check: (edited) => checkedArgs(tool, edited),
    work: (checked, call) => tool.execute(checked, call),
  })
  if (outcome.ended === 'blocked') return errorText(new ToolBlocked(name, outcome.reason).message)
  if (outcome.ended === 'failed') return errorText(outcome.message)
  const { result = null, edited } = outcome
  if (edited) return JSON.stringify({ result, args_changed_by_approver: edited })
  return typeof result === 'string' ? result : JSON.stringify(result)
}

const errorText = (error: string): string => JSON.stringify({ error })

async function checkedArgs({ parameters }: FunctionTool, args: unknown): Promise<unknown> {
  return checkedValue(parameters, args, 'payload').catch((error: unknown) => {
    if (!(error instanceof InvalidValue)) throw error
    const told = error.issues.map(({ path, message }) => (path ? `${path}: ${message}` : message))
    throw new TypeError(`Invalid arguments: ${told.join('; ')}`)
  })
}
