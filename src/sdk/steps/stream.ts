// Streams of text out of a running attempt, and whatever else watchers see while it works.
import { slicesOf } from '../text-slices.ts'
import type { Attempt } from '../worker/attempt.ts'

export type OutputStream = {
  write: (text: string) => Promise<void>
  /** Writes all of it as it comes, and ends the stream. Returns the whole text. */
  pipe: (source: AsyncIterable<string> | Iterable<string> | ReadableStream<string>) => Promise<string>
  /** Tells watchers that nothing follows. */
  end: () => Promise<void>
}

export type Streams = {
  /** A named stream of text, which everyone who follows the run gets as it is written. */
  stream: (name?: string) => OutputStream
}

/** What one call may carry. */
const CHUNK_LENGTH_MAX = 65_536

export function makeStreams(attempt: Pick<Attempt, 'stream'>): Streams {
  return {
    stream(name = 'default') {
      const write = async (text: string): Promise<void> => {
        for (const chunk of slicesOf(text, CHUNK_LENGTH_MAX)) await attempt.stream({ chunk, stream_id: name })
      }
      const end = async (): Promise<void> => {
        await attempt.stream({ chunk: '', stream_id: name, done: true })
      }
      return {
        write,
        end,
        async pipe(source) {
          let whole = ''
          for await (const text of source as AsyncIterable<string>) {
            whole += text
            await write(text)
          }
          await end()
          return whole
        },
      }
    },
  }
}
