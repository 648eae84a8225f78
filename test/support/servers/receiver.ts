// A receiver of webhooks that keeps what it got, and answers as it is told.
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { httpServer } from '../local-servers.ts'

export type Received = {
  headers: IncomingHttpHeaders
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: whatever the test says it is.
  body: any
}
export type Receiver = {
  url: string
  received: Received[]
  /** Types of the events it accepted, in the order in which they came. */
  accepted: () => string[]
  answer: (how: number | ((response: ServerResponse, received: Received) => void)) => void
}

export async function webhookReceiver(): Promise<Receiver> {
  const received: Received[] = []
  const accepted: string[] = []
  let how: Parameters<Receiver['answer']>[0] = 204
  const { url } = await httpServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => void chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const one: Received = { headers: request.headers, text, body: JSON.parse(text) }
      received.push(one)
      if (typeof how !== 'number') return how(response, one)
      if (how < 300) accepted.push(one.body.type)
      response.statusCode = how
      response.end()
    })
  })
  return {
    url,
    received,
    accepted: () => accepted,
    answer(next) {
      how = next
    },
  }
}
