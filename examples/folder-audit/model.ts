// Asks a model for a summary: any server that speaks OpenAI's chat completions, with streaming.
import { readSse } from '#sdk/sse.ts'

export type Model = { baseUrl: string; name: string; apiKey: string | undefined }

export type ModelAnswer = { text: string; promptTokens: number; completionTokens: number }

type Asking = {
  prompt: string
  /** Told of each piece as it arrives. */
  onText: (text: string) => Promise<void>
  signal: AbortSignal
}

const TIMEOUT_MS = 60_000
const ANSWER_LENGTH_MAX = 20_000

export function modelOf(env: NodeJS.ProcessEnv): Model | undefined {
  const baseUrl = env.OPENAI_BASE_URL?.trim().replace(/\/+$/, '')
  if (!baseUrl) return undefined
  return { baseUrl, name: env.OPENAI_MODEL?.trim() || 'gpt-4o-mini', apiKey: env.OPENAI_API_KEY?.trim() || undefined }
}

type Chunk = {
  choices?: { delta?: { content?: string | null } }[]
  usage?: { prompt_tokens?: number; completion_tokens?: number } | null
}

export async function askModel({ baseUrl, name, apiKey }: Model, asking: Asking): Promise<ModelAnswer> {
  const { prompt, onText, signal } = asking
  const response = await fetch(`${baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }) },
    body: JSON.stringify({
      model: name,
      stream: true,
      stream_options: { include_usage: true },
      messages: [
        { role: 'system', content: 'You review source code. Answer in plain English, in 150 words at most.' },
        { role: 'user', content: prompt },
      ],
    }),
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    redirect: 'error',
  })
  if (!response.ok || !response.body) throw new Error(`it answered ${response.status}`)
  let text = ''
  let usage: Chunk['usage']
  for await (const { data } of readSse(response.body)) {
    if (data === '[DONE]') break
    const chunk = JSON.parse(data) as Chunk
    usage = chunk.usage ?? usage
    const piece = chunk.choices?.[0]?.delta?.content
    if (!piece) continue
    text += piece
    await onText(piece)
    // A model that has lost its way may never stop by itself.
    if (text.length > ANSWER_LENGTH_MAX) break
  }
  if (text === '') throw new Error('it answered nothing')
  return {
    text,
    // Not every server counts; four characters are about a token.
    promptTokens: usage?.prompt_tokens ?? Math.ceil(prompt.length / 4),
    completionTokens: usage?.completion_tokens ?? Math.ceil(text.length / 4),
  }
}
