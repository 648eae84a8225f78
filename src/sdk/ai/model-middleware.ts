// A middleware of the AI SDK (`wrapLanguageModel`) whose model calls are kept and booked. It names no type of the AI SDK, so
// that nobody has to install it, and fits its versions 6 and 7.
import { type Bill, type Metering, type MeterOptions, modelCall } from './model-call.ts'
import { modelOutput, type StreamPart, withDate } from './model-output.ts'
import { tokenUsage } from './token-usage.ts'

/** What the calls of a model are booked as, and the name that their answers are kept under. */
export type MiddlewareOptions = MeterOptions & {
  /** Names the conversation, for models that several conversations of a run call; the id of the model unless set. */
  name?: string
}

type Model = { provider: string; modelId: string }

/** A middleware as `wrapLanguageModel` of the AI SDK takes it. */
export type ModelMiddleware = {
  // biome-ignore lint/suspicious/noExplicitAny: the AI SDK wants the number of the version that it comes with.
  specificationVersion: any
  wrapGenerate: <Result>(call: { doGenerate: () => PromiseLike<Result>; model: Model }) => Promise<Result>
  wrapStream: <Result extends { stream: ReadableStream }>(call: {
    doStream: () => PromiseLike<Result>
    model: Model
  }) => Promise<Result>
}

type Generated = { usage?: unknown; request?: unknown; response?: Record<string, unknown> }

export function modelMiddleware(metering: Metering, options: MiddlewareOptions = {}): ModelMiddleware {
  const nameOf = ({ modelId }: Model) => options.name ?? modelId
  const billOf = (model: Model, usage: unknown): Bill => ({
    // Providers of the AI SDK have the API in their name, such as `openai.responses`.
    provider: options.provider ?? (model.provider.split('.')[0] || model.provider),
    model: options.model ?? model.modelId,
    usage: tokenUsage(usage),
    ...(options.costMicrousd && { costMicrousd: options.costMicrousd }),
  })
  const wrapGenerate = async ({ doGenerate, model }: { doGenerate: () => PromiseLike<unknown>; model: Model }) => {
    const answer = await modelCall(metering, {
      name: nameOf(model),
      ask: async () => withoutTraffic((await doGenerate()) as Generated),
      bill: ({ usage }) => billOf(model, usage),
    })
    return revivedResult(answer as Generated)
  }
  type Opened = { stream: ReadableStream<StreamPart> }
  const wrapStream = ({ doStream, model }: { doStream: () => PromiseLike<Opened>; model: Model }) =>
    new Promise<Opened>((resolve, reject) => {
      const output = modelOutput()
      let isLive = false
      const answer = modelCall(metering, {
        name: nameOf(model),
        async ask() {
          const { stream, ...rest } = await doStream()
          isLive = true
          resolve({ ...rest, stream: output.stream })
          return output.read(stream)
        },
        bill: (parts) => billOf(model, parts.find(({ type }) => type === 'finish')?.usage),
      })
      answer.then(
        (parts) => {
          if (isLive) return output.finish()
          output.replay(parts as StreamPart[])
          resolve({ stream: output.stream })
        },
        (error: unknown) => {
          output.fail(error)
          reject(error)
        },
      )
    })
  return { specificationVersion: 'v4', wrapGenerate, wrapStream } as ModelMiddleware
}

/** The requests and replies behind an answer are not part of it, and may hold what should not be kept. */
function withoutTraffic({ request: _, response, ...answer }: Generated): Generated {
  if (!response) return answer
  const { body: __, headers: ___, ...told } = response
  return { ...answer, response: told }
}

function revivedResult({ response, ...answer }: Generated): Generated {
  return response ? { ...answer, response: withDate(response) } : answer
}
