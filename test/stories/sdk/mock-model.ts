// A model of the AI SDK that answers from a script, whatever it is asked.
import { MockLanguageModelV3 } from 'ai/test'

type Answer = Awaited<ReturnType<MockLanguageModelV3['doGenerate']>>
type Call = { tool: string; input: object }

const USAGE = {
  inputTokens: { total: 100, noCache: 60, cacheRead: 40, cacheWrite: undefined },
  outputTokens: { total: 20, text: 15, reasoning: 5 },
}

let calls = 0

export const says = (text: string): Answer => ({
  content: [{ type: 'text', text }],
  finishReason: { unified: 'stop', raw: undefined },
  usage: USAGE,
  response: { id: 'r1', timestamp: new Date(0), headers: { 'set-cookie': 'secret' } },
  warnings: [],
})

/** Ids of calls are different each time, as those of real models are. */
export const wants = (...wanted: Call[]): Answer => ({
  content: wanted.map(({ tool, input }) => ({
    type: 'tool-call',
    toolCallId: `call-${++calls}`,
    toolName: tool,
    input: JSON.stringify(input),
  })),
  finishReason: { unified: 'tool-calls', raw: undefined },
  usage: USAGE,
  warnings: [],
})

/** One answer after the other; a question too many fails. */
export function scripted(...answers: (Answer | Error)[]): MockLanguageModelV3 {
  const left = [...answers]
  return new MockLanguageModelV3({
    provider: 'openai.responses',
    modelId: 'gpt-5',
    async doGenerate() {
      const next = left.shift()
      if (!next) throw new Error('The model was asked more often than the test expects')
      if (next instanceof Error) throw next
      return next
    },
  })
}

/** What the model was last told, as text. */
export const lastPrompt = (model: MockLanguageModelV3): string => JSON.stringify(model.doGenerateCalls.at(-1)?.prompt)
