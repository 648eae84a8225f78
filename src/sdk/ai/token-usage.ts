// What a call of a model has used, in the words of whichever library made it.

/** What one call of a model used, in tokens. */
export type TokenUsage = {
  promptTokens: number
  completionTokens: number
  totalTokens?: number | undefined
  /** The part of the prompt that came from a cache. */
  cachedTokens?: number | undefined
  /** The part of the completion that was spent on reasoning. */
  reasoningTokens?: number | undefined
}

type Fields = Record<string, unknown>

/** The usage of the AI SDK, of OpenAI (chat completions and responses) and of Anthropic; undefined for any other. */
export function tokenUsage(usage: unknown): TokenUsage | undefined {
  if (!isFields(usage)) return undefined
  const read = isFields(usage.inputTokens) || isFields(usage.outputTokens) ? ofAiSdk(usage) : ofVendor(usage)
  if (read.promptTokens === undefined && read.completionTokens === undefined) return undefined
  const { promptTokens = 0, completionTokens = 0, totalTokens, cachedTokens, reasoningTokens } = read
  return {
    promptTokens,
    completionTokens,
    totalTokens,
    // Parts that exceed their whole would be refused; a vendor that counts them apart has said nothing about the part.
    cachedTokens: partOf(promptTokens, cachedTokens),
    reasoningTokens: partOf(completionTokens, reasoningTokens),
  }
}

type Read = { [Name in keyof TokenUsage]: number | undefined }

function ofAiSdk({ inputTokens, outputTokens }: Fields): Read {
  const [input, output] = [fieldsOf(inputTokens), fieldsOf(outputTokens)]
  return {
    promptTokens: count(input.total),
    completionTokens: count(output.total),
    cachedTokens: count(input.cacheRead),
    reasoningTokens: count(output.reasoning),
  }
}

function ofVendor(usage: Fields): Read {
  const chat = fieldsOf(usage.prompt_tokens_details)
  const responses = fieldsOf(usage.input_tokens_details)
  const completion = fieldsOf(usage.completion_tokens_details ?? usage.output_tokens_details)
  // Anthropic counts what a cache was read for, and written with, apart from the rest of the prompt.
  const read = count(usage.cache_read_input_tokens)
  const apart = (read ?? 0) + (count(usage.cache_creation_input_tokens) ?? 0)
  const prompt = count(usage.prompt_tokens) ?? count(usage.input_tokens)
  return {
    promptTokens: prompt === undefined ? undefined : prompt + apart,
    completionTokens: count(usage.completion_tokens) ?? count(usage.output_tokens),
    totalTokens: count(usage.total_tokens),
    cachedTokens: read ?? count(chat.cached_tokens) ?? count(responses.cached_tokens),
    reasoningTokens: count(completion.reasoning_tokens),
  }
}

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null
const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {})
const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
const partOf = (whole: number, part: number | undefined): number | undefined =>
  part !== undefined && part <= whole ? part : undefined
