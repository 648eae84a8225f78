// Parses server-sent events from the bytes of a response, as the standard says: three kinds of line ends, several
// `data` lines per message, comments as keepalives.

export type SseMessage = { id: string | undefined; event: string; data: string }

/** Longer than anything that Runyard sends; a stream without line ends must not exhaust the memory. */
const LINE_LENGTH_MAX = 32 * 1024 * 1024

/** `onBytes` is called for every chunk that arrives, including comments: the other side is alive. */
export async function* readSse(
  bytes: ReadableStream<Uint8Array>,
  onBytes: () => void = () => {},
): AsyncGenerator<SseMessage, void, undefined> {
  let id: string | undefined
  let event = ''
  let data: string[] = []
  for await (const line of linesOf(bytes, onBytes)) {
    if (line === '') {
      // A message that broke off has no empty line after it, and is never delivered partially.
      if (data.length > 0) yield { id, event: event || 'message', data: data.join('\n') }
      event = ''
      data = []
      continue
    }
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'id' && !value.includes('\0')) id = value
    else if (field === 'event') event = value
    else if (field === 'data') data.push(value)
  }
}

async function* linesOf(bytes: ReadableStream<Uint8Array>, onBytes: () => void): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  const reader = bytes.getReader()
  let held = ''
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      onBytes()
      held += decoder.decode(value, { stream: true })
      // A carriage return at the very end may be the first half of CR LF: it waits for the next chunk.
      const lines = held.split(/\r\n|\n|\r(?!$)/)
      held = lines.pop() ?? ''
      if (held.length > LINE_LENGTH_MAX) throw new Error(`a line of the stream is longer than ${LINE_LENGTH_MAX}`)
      yield* lines
    }
  } finally {
    // A reader that stops closes the connection, which would otherwise stay open unnoticed.
    await reader.cancel().catch(() => {})
  }
}
