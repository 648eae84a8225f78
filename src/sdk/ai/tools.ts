// Tools of the AI SDK, governed: each call is decided about before it is made. Like the middleware, it names no type of
// the AI SDK.
import { type Governing, type GovernOptions, governedCall, type Outcome, resultOf } from './governed-call.ts'

type Execute = (input: unknown, options: ExecuteOptions) => unknown
type ExecuteOptions = { toolCallId: string; abortSignal?: AbortSignal }
type ModelOutput = { type: string; value?: unknown }
type ToModelOutput = (told: { toolCallId: string; output: unknown }) => ModelOutput | PromiseLike<ModelOutput>
type ToolFields = { execute?: Execute; toModelOutput?: ToModelOutput; inputSchema?: unknown }

/** How calls of each tool are governed, by the name of the tool. */
export type OptionsOf<Tools> = { readonly [Name in keyof Tools]?: GovernOptions }

/** The same tools; those without `execute`, which the provider or the caller runs, are left as they are. */
export function governedTools<Tools extends Record<string, object>>(
  governing: Governing,
  tools: Tools,
  options: OptionsOf<Tools> = {},
): Tools {
  const own = new Map<string, GovernOptions | undefined>(Object.entries(options))
  const governed = Object.entries(tools).map(([name, tool]) => [
    name,
    governedTool(governing, name, tool, own.get(name)),
  ])
  return Object.fromEntries(governed) as Tools
}

function governedTool(governing: Governing, name: string, tool: object, options: GovernOptions | undefined): object {
  const { execute, toModelOutput, inputSchema } = tool as ToolFields
  if (!execute) return tool
  const edited = new Map<string, Record<string, unknown>>()
  return {
    ...tool,
    async execute(input: unknown, told: ExecuteOptions) {
      const outcome = await governedCall(governing, {
        tool: name,
        args: input,
        options,
        check: (args) => checkedInput(inputSchema, args),
        work: async (args, call) =>
          lastOf(await execute.call(tool, args, { abortSignal: call.signal, ...told, ...call } as ExecuteOptions)),
      })
      rememberEdit(edited, told.toolCallId, outcome)
      return resultOf(name, outcome)
    },
    async toModelOutput(told: { toolCallId: string; output: unknown }) {
      const output = toModelOutput ? await toModelOutput.call(tool, told) : plainOutput(told.output)
      return withEdit(output, edited.get(told.toolCallId))
    },
  }
}

/** The key of a governed call, from the options that the AI SDK hands to `execute`: the same in every attempt. */
export function idempotencyKeyOf(options: object): string {
  const { idempotencyKey } = options as { idempotencyKey?: unknown }
  if (typeof idempotencyKey === 'string') return idempotencyKey
  throw new TypeError('These are not the options of a governed call')
}

function rememberEdit(edited: Map<string, Record<string, unknown>>, id: string, outcome: Outcome): void {
  if (outcome.ended !== 'blocked' && outcome.edited) edited.set(id, outcome.edited)
}

/** A tool may yield what it has so far; its result is what it yields last. */
async function lastOf(result: unknown): Promise<unknown> {
  if (typeof result !== 'object' || result === null || !(Symbol.asyncIterator in result)) return result
  let last: unknown
  for await (const part of result as AsyncIterable<unknown>) last = part
  return last
}

type Checked = { issues?: readonly { message: string }[] | undefined; value?: unknown }
type Validated = { success: boolean; value?: unknown; error?: Error }

/** What an approver has written is checked as what the model has written. */
async function checkedInput(schema: unknown, args: unknown): Promise<unknown> {
  if ((typeof schema !== 'object' && typeof schema !== 'function') || schema === null) return args
  if ('~standard' in schema) {
    const { validate } = schema['~standard'] as { validate: (value: unknown) => Checked | Promise<Checked> }
    const { issues, value } = await validate(args)
    if (issues)
      throw new TypeError(`The args of the approver are invalid: ${issues.map((it) => it.message).join('; ')}`)
    return value
  }
  if ('validate' in schema && typeof schema.validate === 'function') {
    const { success, value, error } = (await schema.validate(args)) as Validated
    if (!success) throw new TypeError(`The args of the approver are invalid: ${error?.message}`, { cause: error })
    return value
  }
  return args
}

const plainOutput = (output: unknown): ModelOutput =>
  typeof output === 'string' ? { type: 'text', value: output } : { type: 'json', value: output ?? null }

/** A model that is not told what was changed goes on with what it had asked for. */
function withEdit(output: ModelOutput, edited: Record<string, unknown> | undefined): ModelOutput {
  if (!edited) return output
  const { type, value } = output
  if (type === 'text') return { ...output, value: `${value}\n\n${editWords(edited)}` }
  if (type === 'json') return { ...output, value: { result: value, args_changed_by_approver: edited } }
  if (type !== 'content' || !Array.isArray(value)) return output
  return { ...output, value: [...value, { type: 'text', text: editWords(edited) }] }
}

export const editWords = (edited: Record<string, unknown>): string =>
  `The person who approved this call changed its arguments to ${JSON.stringify(edited)}.`
