// One connection for all tabs of this browser: over HTTP/1.1 a browser has six to a server, and each tab would hold one.
import { follow, type StreamNews, type StreamState } from './stream.ts'

export type ToWorker = { kind: 'watch'; url: string; project: string | undefined } | { kind: 'leave' }

const ports = new Set<MessagePort>()
let watching: { ending: AbortController } | undefined
let last: StreamState = 'reconnecting'

function tell(news: StreamNews): void {
  if (news.kind === 'state') last = news.state
  for (const port of ports) port.postMessage(news)
  // Signed out, or without the right: the next tab that asks tries again.
  if (news.kind === 'state' && news.state === 'refused') watching = undefined
}

function watch(url: string, project: string | undefined): void {
  if (watching) return
  const ending = new AbortController()
  watching = { ending }
  void follow({ url, project }, tell, ending.signal)
}

addEventListener('connect', (event) => {
  const [port] = (event as MessageEvent).ports
  if (!port) return
  port.onmessage = ({ data }: MessageEvent<ToWorker>) => {
    if (data.kind === 'watch') {
      ports.add(port)
      port.postMessage({ kind: 'state', state: last } satisfies StreamNews)
      return watch(data.url, data.project)
    }
    ports.delete(port)
    if (ports.size > 0) return
    watching?.ending.abort()
    watching = undefined
    last = 'reconnecting'
  }
})
