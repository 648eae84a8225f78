// A client of server-sent events as a careful one behaves: it keeps the last id, and after any end that is not the
// last event's it comes back with it.

import { type ClientRequest, get, type IncomingMessage } from 'node:http'

export type Frame = { id: string; type: string; data: string }
export type Connection = {
  /** Ends when the server ends it, or the connection breaks; both are the same to a client. */
  frames: AsyncGenerator<Frame>
  response: Promise<IncomingMessage>
  kill(): void
}

export function connectStream(url: string, lastEventId?: string): Connection {
  const opened = Promise.withResolvers<IncomingMessage>()
  opened.promise.catch(() => {})
  const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
  const request: ClientRequest = get(url, { agent: false, headers }, opened.resolve)
  request.on('error', opened.reject)
  return { frames: framesOf(opened.promise), response: opened.promise, kill: () => request.destroy() }
}

async function* framesOf(opened: Promise<IncomingMessage>): AsyncGenerator<Frame> {
  const response = await opened.catch(() => undefined)
  if (response?.statusCode !== 200) return
  response.setEncoding('utf8')
  let text = ''
  try {
    for await (const piece of response) {
      text += piece
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const frame = frameOf(text.slice(0, end))
        text = text.slice(end + 2)
        if (frame) yield frame
      }
    }
  } catch {
    // Broken in the middle: what was not complete did not arrive.
  }
}

function frameOf(text: string): Frame | undefined {
  const fields = new Map(
    text.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  )
  const data = fields.get('data')
  return data === undefined ? undefined : { id: fields.get('id') ?? '', type: fields.get('event') ?? '', data }
}

export type Resuming = {
  /** Asked before each attempt, since a node that came back may have another address. */
  urlOf: () => string
  /** True for the last event that there will be. */
  isLast: (frame: Frame) => boolean
  /** How many frames to take before the connection is killed from this side; undefined: none of them. */
  killAfter?: () => number | undefined
  signal?: AbortSignal
}

/** Everything that one client was given, over as many connections as it takes. */
export async function readResuming({
  urlOf,
  isLast,
  killAfter,
  signal,
}: Resuming): Promise<{ frames: Frame[]; connections: number }> {
  const frames: Frame[] = []
  let connections = 0
  let lastId: string | undefined
  while (!signal?.aborted) {
    connections++
    let left = killAfter?.() ?? Number.POSITIVE_INFINITY
    const connection = connectStream(urlOf(), lastId)
    for await (const frame of connection.frames) {
      frames.push(frame)
      lastId = frame.id
      if (isLast(frame)) {
        connection.kill()
        return { frames, connections }
      }
      if (--left <= 0) connection.kill()
      if (left <= 0) break
    }
    // A node that is being restarted refuses for a moment.
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { frames, connections }
}
