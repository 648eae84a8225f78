import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readSse, type SseMessage } from './sse.ts'

function streamOf(pieces: Uint8Array[], onCancel: () => void = () => {}): ReadableStream<Uint8Array> {
  let next = 0
  return new ReadableStream({
    pull(controller) {
      const piece = pieces[next++]
      if (piece) controller.enqueue(piece)
      else controller.close()
    },
    cancel: onCancel,
  })
}

async function read(...texts: string[]): Promise<SseMessage[]> {
  const messages: SseMessage[] = []
  for await (const message of readSse(streamOf(texts.map((text) => new TextEncoder().encode(text))))) {
    messages.push(message)
  }
  return messages
}

test('fields form messages; comments and unknown fields do not', async () => {
  expect(await read(': hello\n\nid: 7\nevent: run.started\ndata: {"a":1}\nretry: 5\n\n:\n\n')).toEqual([
    { id: '7', event: 'run.started', data: '{"a":1}' },
  ])
})

test('several data lines are one text; the id persists, and the event type does not', async () => {
  expect(await read('id: 1\nevent: x\ndata: a\ndata:\ndata:  b\n\ndata\n\n')).toEqual([
    { id: '1', event: 'x', data: 'a\n\n b' },
    { id: '1', event: 'message', data: '' },
  ])
})

test('an incomplete message is not delivered', async () => {
  expect(await read('data: whole\n\ndata: half')).toHaveLength(1)
  expect(await read('data: whole\n\ndata: half\n')).toHaveLength(1)
})

test('it does not matter where the bytes are cut or how lines end', async () => {
  const lines = ['id: 1', 'event: tick', 'data: grüße 🚆', 'data: zwei', '', ': still here', 'data: drei', '']
  const expected = [
    { id: '1', event: 'tick', data: 'grüße 🚆\nzwei' },
    { id: '1', event: 'message', data: 'drei' },
  ]
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('\n', '\r\n'), fc.array(fc.nat(80)), async (end, cuts) => {
      const bytes = new TextEncoder().encode(lines.map((line) => line + end).join(''))
      const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]
      const pieces = places.slice(1).map((place, index) => bytes.slice(places[index], place))
      const messages: SseMessage[] = []
      for await (const message of readSse(streamOf(pieces))) messages.push(message)
      expect(messages).toEqual(expected)
    }),
  )
})

test('a reader that stops reading closes the connection', async () => {
  let canceled = false
  const bytes = new TextEncoder().encode('data: 1\n\ndata: 2\n\n')
  const endless = streamOf(Array(100).fill(bytes), () => {
    canceled = true
  })
  for await (const _ of readSse(endless)) break
  expect(canceled).toBe(true)
})
