// Load from many connections, each of which sends its next request when the one before is answered. Over bare sockets
// and with requests that are made beforehand: on two cores, what the generator burns the server does not get.
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { scriptInput, scriptOutput } from './child.ts'
import { percentile, round } from './numbers.ts'

export type LoadEntry = {
  url: string
  key: string
  path: string
  /** Sent in turn, over and over. */
  bodies: object[]
  connections: number
  warmUpMs: number
  measureMs: number
  /** Requests a second in all; absent: as many as are answered. */
  perSecond?: number
}
export type Load = { perSecond: number; p50: number; p99: number }

function requestsOf({ url, key, path, bodies }: LoadEntry): Buffer[] {
  const { host } = new URL(url)
  return bodies.map((one) => {
    const body = JSON.stringify(one)
    return Buffer.from(
      `POST ${path} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${key}\r\n` +
        `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
  })
}

async function load(entry: LoadEntry): Promise<Load> {
  const { hostname, port } = new URL(entry.url)
  const requests = requestsOf(entry)
  const failed = Promise.withResolvers<never>()
  let nth = 0
  let took: number[] = []
  let over = false

  function drive(socket: Socket): void {
    let began = 0
    let text = ''
    const send = () => {
      began = performance.now()
      socket.write(requests[nth++ % requests.length]!)
    }
    socket.setNoDelay(true)
    socket.on('connect', send)
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (!isWhole(text)) return
      if (!/^HTTP\/1\.1 20[01]/.test(text)) return failed.reject(new Error(text.slice(0, 1000)))
      text = ''
      took.push(performance.now() - began)
      if (over) return
      // At a set pace, each connection has its share of it.
      const restMs = entry.perSecond ? (1000 * entry.connections) / entry.perSecond - (performance.now() - began) : 0
      if (restMs > 0) setTimeout(() => over || send(), restMs)
      else send()
    })
    socket.on('error', failed.reject)
  }

  const sockets = Array.from({ length: entry.connections }, () => connect(Number(port), hostname))
  sockets.forEach(drive)
  await Promise.race([sleep(entry.warmUpMs), failed.promise])
  took = []
  const began = performance.now()
  await Promise.race([sleep(entry.measureMs), failed.promise])
  const elapsed = performance.now() - began
  const measured = took
  // What is on its way is still answered, so that nothing is left for the next turn.
  over = true
  await sleep(200)
  for (const socket of sockets) socket.destroy()
  return {
    perSecond: round((measured.length / elapsed) * 1000),
    p50: round(percentile(measured, 0.5), 1),
    p99: round(percentile(measured, 0.99), 1),
  }
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return false
  const length = /content-length: (\d+)/i.exec(text)
  if (!length) throw new Error(`an answer without a length: ${text.slice(0, 300)}`)
  return text.length >= end + 4 + Number(length[1])
}

scriptOutput(await load(await scriptInput<LoadEntry>()))
