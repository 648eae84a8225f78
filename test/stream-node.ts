// A node that only serves streams, for tests and measurements: to be started as a process of its own, and killed.
// node test/stream-node.ts '{"url": …, "port": …, "redisUrl": …}'; it prints the port that it listens on.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { goLive, type Live } from '#live/live.ts'
import { chunkWire, runWire, tailCursorOf, tailWire } from '#live/wire.ts'
import { type Bell, hangBell } from '#storage/bell.ts'
import { readRunHead } from '#storage/read-log.ts'
import { connect, type Sql } from '#storage/sql.ts'
import { readTailEnd } from '#storage/tail.ts'

export type StreamNodeOptions = {
  url: string
  port?: number
  redisUrl?: string
  tickMs?: number
  streamsMax?: number
  max?: number
}
export type StreamNode = { port: number; live: Live; bell: Bell; sql: Sql; close(): Promise<void> }

const RUN = runWire((row) => JSON.stringify(row))
const CHUNKS = chunkWire((row) => JSON.stringify(row))
const TAIL = tailWire((row) => JSON.stringify(row))

export async function startStreamNode({
  url,
  port = 0,
  redisUrl,
  max = 4,
  ...options
}: StreamNodeOptions): Promise<StreamNode> {
  const log = (line: string) => console.log(line)
  const sql = connect(url, { name: 'stream-node', max })
  const bell = await hangBell({ url, redisUrl, log })
  const live = goLive({ sql, bell, log, ...options })
  const server = createServer((request, response) => {
    serve({ sql, live }, request, response).catch(
      (error) => response.headersSent || response.writeHead(503).end(String(error)),
    )
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', 4096, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    live,
    bell,
    sql,
    async close() {
      live.close()
      await new Promise((resolve) => server.close(resolve))
      await bell.close()
      await sql.end({ timeout: 1 })
    },
  }
}

/** /<project>/runs/<id>/stream, /<project>/runs/<id>/chunks and /<project>/tail. */
async function serve(
  { sql, live }: { sql: Sql; live: Live },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url!, 'http://node')
  const [, projectId = '', kind, runId = '', what] = pathname.split('/')
  const lastId = request.headers['last-event-id']?.toString() ?? searchParams.get('after')
  if (kind === 'tail') {
    const after = (lastId && tailCursorOf(lastId)) || (await readTailEnd(sql))
    return live.streamTail(response, { projectId, after, wire: TAIL })
  }
  const head = await readRunHead(sql, projectId, runId)
  if (!head) return void response.writeHead(404).end()
  live.streamRun(response, {
    projectId,
    run: { runId, createdAt: head.createdAt, lastSequence: head.lastSequence },
    deltas: what === 'chunks' || searchParams.has('deltas'),
    afterSequence: Number(lastId ?? 0),
    wire: what === 'chunks' ? CHUNKS : RUN,
  })
}

if (import.meta.main) {
  const node = await startStreamNode(JSON.parse(process.argv[2]!))
  console.log(`listening on ${node.port}`)
  process.on('message', async (question) => {
    if (question === 'memory') {
      globalThis.gc?.()
      process.send!({
        streams: node.live.count(),
        ...process.memoryUsage(),
        cpu: process.cpuUsage(),
        spaces: process.env.SPACES ? (await import('node:v8')).getHeapSpaceStatistics() : undefined,
      })
    }
  })
  process.on('SIGTERM', () => void node.close().then(() => process.exit()))
}
