// Metrics on a separate address, for a network that only scrapers can reach. It serves nothing else.
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getMetrics } from '#contract/operations.ts'
import type { Metrics } from './metrics.ts'

const BOUNDS = { requestTimeout: 10_000, headersTimeout: 5_000, maxHeaderSize: 8 * 1024, connectionsMax: 100 }

export type MetricsServer = { address: string; close: () => Promise<void> }

/** `place`: host and port, e.g. 127.0.0.1:9464. */
export async function serveMetrics(
  place: { host: string; port: number },
  { metrics, onFailure }: { metrics: Metrics; onFailure: (error: unknown) => void },
): Promise<MetricsServer> {
  const server = createServer(BOUNDS, (request, response) => {
    const answer = (status: number, type: string, text: string) => {
      response.writeHead(status, {
        'content-type': type,
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
      })
      response.end(text)
    }
    if (request.method !== 'GET' || request.url?.split('?', 1)[0] !== getMetrics.path)
      return answer(404, 'text/plain; charset=utf-8', `This address serves GET ${getMetrics.path} only.\n`)
    metrics.text().then(
      (text) => answer(200, getMetrics.produces, text),
      (error: unknown) => {
        onFailure(error)
        answer(503, 'text/plain; charset=utf-8', 'Metrics are not available right now.\n')
      },
    )
  })
  server.maxConnections = BOUNDS.connectionsMax
  server.listen(place)
  await once(server, 'listening')
  return { address: addressOf(server), close: () => closed(server) }
}

function addressOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

async function closed(server: Server): Promise<void> {
  const over = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await over
}
