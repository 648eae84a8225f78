// Many streams over bare sockets: on two cores, what the client burns the server does not get.
import { connect, type Socket } from 'node:net'

export type StreamEntry = { url: string; key: string }
export type Streams = {
  close: () => void
  /** Rejects when a stream ends before its time. */
  failed: Promise<never>
}

const OPENING_AT_ONCE = 100

/** Opens a stream for each of `runIds`; ready when all have got the event that their run began with. */
export async function openStreams(
  { url, key }: StreamEntry,
  runIds: readonly string[],
  onText: (text: string) => void,
): Promise<Streams> {
  const { hostname, port, host } = new URL(url)
  const sockets: Socket[] = []
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {})

  const open = (runId: string) =>
    new Promise<void>((resolve) => {
      const socket = connect(Number(port), hostname)
      sockets.push(socket)
      socket.setEncoding('latin1')
      socket.on('connect', () =>
        socket.write(`GET /v1/runs/${runId}/stream HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${key}\r\n\r\n`),
      )
      let begun = ''
      const begin = (text: string) => {
        begun += text
        if (!begun.includes('\ndata: ')) return
        socket.off('data', begin)
        begun = ''
        socket.on('data', onText)
        resolve()
      }
      socket.on('data', begin)
      socket.on('error', failed.reject)
      socket.on('close', () => failed.reject(new Error(`a stream has ended: ${begun.slice(0, 500)}`)))
    })

  let next = 0
  const opener = async () => {
    while (next < runIds.length) await open(runIds[next++]!)
  }
  await Promise.race([Promise.all(Array.from({ length: OPENING_AT_ONCE }, opener)), failed.promise])
  return {
    failed: failed.promise,
    close() {
      for (const socket of sockets) socket.removeAllListeners().destroy()
    },
  }
}
