// A Redis server for BullMQ, on a free port, in the bench's folder.
import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type Server, startServer } from '../lib/child.ts'

/**
 * Appends to its file and syncs it every second, as BullMQ's guide to production asks for. A job that is acknowledged
 * may be lost in that second, where every other contestant has it on disk.
 */
export async function startRedis(folder: string): Promise<Server> {
  const dir = join(folder, 'redis')
  await mkdir(dir, { recursive: true })
  const port = await freePort()
  const settings = {
    bind: '127.0.0.1',
    port: String(port),
    dir,
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    'maxmemory-policy': 'noeviction',
  }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const server = await startServer('redis-server', args, { ready: /Ready to accept connections/ })
  return { ...server, address: `redis://127.0.0.1:${port}` }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address() as { port: number }
      probe.close(() => resolve(address.port))
    })
  })
}
