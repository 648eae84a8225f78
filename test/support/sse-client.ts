// A client of server-sent events over a bare socket, so that a test can cut it off at any moment.
import { request } from 'node:http'

export type Frame = { id: string; event: string; data: string }

export type Watching = {
  /** Resolves when the server has ended the stream, or it was cut. */
  ended: Promise<'ended' | 'cut'>
  cut: () => void
  status: Promise<number>
}

type Options = { url: string; key: string; lastEventId?: string | undefined; onFrame: (frame: Frame) => void }

/** Frames are given when they are whole; what is cut in the middle was not received. */
export function watch({ url, key, lastEventId, onFrame }: Options): Watching {
  const status = Promise.withResolvers<number>()
  const ended = Promise.withResolvers<'ended' | 'cut'>()
  const sent = request(
    url,
    { headers: { authorization: `Bearer ${key}`, ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) } },
    (response) => {
      status.resolve(response.statusCode!)
      let rest = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        const parts = (rest + text).split('\n\n')
        rest = parts.pop()!
        for (const part of parts) {
          const fields = Object.fromEntries(
            part.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
          )
          if (fields.data !== undefined) onFrame(fields as Frame)
        }
      })
      response.on('end', () => ended.resolve('ended'))
      response.on('close', () => ended.resolve('cut'))
      response.on('error', () => ended.resolve('cut'))
    },
  )
  sent.on('error', () => {
    status.resolve(0)
    ended.resolve('cut')
  })
  sent.end()
  return { ended: ended.promise, status: status.promise, cut: () => sent.destroy() }
}
