import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { testDatabase } from '../../support/db.ts'
import { addRun, PROJECT, prepareLog } from '../../support/log.ts'

const STREAMS = 2_000
const HEAP_BYTES_MAX = 12_000

test(`an idle stream with its own run costs at most ${HEAP_BYTES_MAX / 1_000} kB of a node's heap`, {
  timeout: 60_000,
}, async () => {
  const { sql, url } = await testDatabase()
  const jobId = await prepareLog(sql)
  const runs = await Promise.all(Array.from({ length: STREAMS }, () => addRun(sql, jobId)))
  const node = fork(new URL('../../support/stream-node.ts', import.meta.url), [JSON.stringify({ url })], {
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  onTestFinished(() => void node.kill('SIGKILL'))
  const port = await portOf(node)
  const before = await memoryOf(node)
  for (let from = 0; from < STREAMS; from += 50) {
    await Promise.all(runs.slice(from, from + 50).map((run) => open(port, `/${PROJECT}/runs/${run.runId}/stream`)))
  }
  const after = await memoryOf(node)
  expect(after.streams).toBe(STREAMS)
  expect((after.heapUsed - before.heapUsed) / STREAMS).toBeLessThan(HEAP_BYTES_MAX)
})

type Memory = { streams: number; heapUsed: number }

async function memoryOf(node: ChildProcess): Promise<Memory> {
  node.send('memory')
  const [memory] = await once(node, 'message')
  return memory
}

async function portOf(node: ChildProcess): Promise<number> {
  let printed = ''
  for await (const piece of node.stdout!) {
    printed += piece
    const found = /listening on (\d+)/.exec(printed)
    if (found) return Number(found[1])
  }
  throw new Error(`the node ended: ${printed}`)
}

/** Resolves when the run's first event has come. */
async function open(port: number, path: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.write(`GET ${path} HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer 0123456789abcdef0123456789abcdef\r\n\r\n`)
  for (let text = ''; !text.includes('\nid: 1\n'); ) {
    const [piece] = await once(socket, 'data')
    text += piece
  }
  return socket
}
