// The output of a model as a stream: handed on while it comes, and kept as a whole. Calls of tools are held back until it is
// kept, because a call may rest the run, and the answer that asked for it would be lost.

export type StreamPart = {
  type: string
  id?: string
  delta?: string
  usage?: unknown
  error?: unknown
  timestamp?: unknown
}

type ModelOutput = {
  /** What the caller of the model gets. */
  stream: ReadableStream<StreamPart>
  /** Hands parts on as they come; returns what is to be kept. Throws when the output is not complete. */
  read: (source: ReadableStream<StreamPart>) => Promise<StreamPart[]>
  /** Hands on what was held back. */
  finish: () => void
  replay: (kept: readonly StreamPart[]) => void
  fail: (error: unknown) => void
}

/** Of no use to whoever reads the answer again. */
const NOT_KEPT: ReadonlySet<string> = new Set(['raw', 'ping'])

export function modelOutput(): ModelOutput {
  let sink: ReadableStreamDefaultController<StreamPart>
  let reader: ReadableStreamDefaultReader<StreamPart> | undefined
  let isOpen = true
  let hasErrorPart = false
  const held: StreamPart[] = []
  const stream = new ReadableStream<StreamPart>({
    start(controller) {
      sink = controller
    },
    async cancel(reason) {
      isOpen = false
      await reader?.cancel(reason)
    },
  })
  const send = (part: StreamPart) => {
    if (isOpen) sink.enqueue(part)
  }
  const end = () => {
    for (const part of held.splice(0)) send(part)
    if (isOpen) sink.close()
    isOpen = false
  }

  return {
    stream,
    async read(source) {
      reader = source.getReader()
      const kept: StreamPart[] = []
      let isHolding = false
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        const part = next.value
        isHolding ||= part.type === 'tool-call' || part.type === 'finish'
        if (isHolding) held.push(part)
        else send(part)
        if (part.type === 'error') {
          hasErrorPart = true
          throw part.error instanceof Error ? part.error : new Error('The model broke off', { cause: part.error })
        }
        if (!NOT_KEPT.has(part.type)) append(kept, part)
      }
      if (kept.at(-1)?.type !== 'finish') throw new Error('The output of the model ended early')
      return kept
    },
    finish: end,
    replay(kept) {
      for (const part of kept) send(part.type === 'response-metadata' ? withDate(part) : part)
      end()
    },
    fail(error) {
      // Whoever reads the stream has been told by the part.
      if (hasErrorPart) return end()
      if (isOpen) sink.error(error)
      isOpen = false
    },
  }
}

/** Pieces of one text become one: a thousand of them would take more room than the text. */
function append(kept: StreamPart[], part: StreamPart): void {
  const last = kept.at(-1)
  if (part.type.endsWith('-delta') && last?.type === part.type && last.id === part.id) {
    kept[kept.length - 1] = { ...last, ...part, delta: `${last.delta}${part.delta}` }
    return
  }
  kept.push(part)
}

/** JSON has made a text of the time. */
export const withDate = <Told extends { timestamp?: unknown }>(told: Told): Told =>
  typeof told.timestamp === 'string' ? { ...told, timestamp: new Date(told.timestamp) } : told
