// A node that only serves streams, for tests and measurements: to be started as a process of its own, and killed.
// node test/support/stream-node.ts '{"url": …, "port": …, "redisUrl": …}'; it prints the port that it listens on.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Bell, createBell } from '#bell/bell.ts'
import { type Live, startLive } from '#live/live.ts'
import { chunkWire, runWire, tailCursorOf, tailWire } from '#live/wire.ts'
import { readRunHead } from '#log/read-log.sql.ts'
import { readTailEnd } from '#log/tail.sql.ts'
import { connect, type Sql } from '#postgres/sql.ts'

export type StreamNodeOptions = {
  url: string
  port?: number
  redisUrl?: string
  tickMs?: number
  streamsMax?: number
  streamsPerProjectMax?: number
  /** What it reads with; a pool of its own when absent. */
  sql?: Sql
  log?: (line: string) => void
}
export type StreamNode = {
  address: string
  port: number
  server: Server
  live: Live
  bell: Bell
  close(): Promise<void>
}

const RUN = runWire((row) => JSON.stringify(row))
const CHUNKS = chunkWire((row) => JSON.stringify(row))
const TAIL = tailWire((row) => JSON.stringify(row))

export async function startStreamNode(options: StreamNodeOptions): Promise<StreamNode> {
  const { url, port: wantedPort = 0, redisUrl, log = console.log, ...limits } = options
  const sql = options.sql ?? connect(url, { name: 'stream-node' })
  const bell = await createBell({ url, redisUrl, log })
  const live = startLive({ ...limits, sql, bell, log })
  const server = createServer((request, response) => {
    serve({ sql, live }, request, response).catch(
      (error) => response.headersSent || response.writeHead(503).end(String(error)),
    )
  })
  await new Promise<void>((resolve) => server.listen(wantedPort, '127.0.0.1', 4096, resolve))
  const { port } = server.address() as AddressInfo
  return {
    address: `http://127.0.0.1:${port}`,
    port,
    server,
    live,
    bell,
    async close() {
      live.close()
      await new Promise((resolve) => server.close(resolve))
      await bell.close()
      await sql.end({ timeout: 1 })
    },
  }
}

/** /<project>/runs/<id>/stream, /<project>/runs/<id>/chunks and /<project>/tail, from `after` or Last-Event-ID on. */
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
    const type = searchParams.get('type')
    const wire = type
      ? tailWire(
          (row) => JSON.stringify(row),
          (event) => event.type === type,
        )
      : TAIL
    return live.streamTail(response, { projectId, after, wire })
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
  process.on('message', (question) => {
    if (question === 'memory') {
      globalThis.gc?.()
      process.send!({
        streams: node.live.count(),
        ...process.memoryUsage(),
        cpu: process.cpuUsage(),
      })
    }
  })
  process.on('SIGTERM', () => void node.close().then(() => process.exit()))
}
