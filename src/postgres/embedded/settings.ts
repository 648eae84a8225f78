// The settings of an embedded server, given on its command line so that a newer Runyard can change them.

import { totalmem } from 'node:os'

const SHARED_BUFFERS_MAX_MB = 256
const SHARED_BUFFERS_MIN_MB = 16

export type Settings = Record<string, string>

export function serverSettings({ port, lz4 }: { port: number; lz4: boolean }): Settings {
  return {
    // Only this machine, and only by TCP: the path of a socket in a deep folder can be too long for the system.
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    max_connections: '100',
    shared_buffers: `${sharedBuffersMb(memoryBytes())}MB`,
    // Few large checkpoints, compressed page images: the log of a busy queue rewrites the same pages often.
    max_wal_size: '4GB',
    checkpoint_timeout: '15min',
    wal_compression: lz4 ? 'lz4' : 'pglz',
    random_page_cost: '1.1',
    // Our statements are short; compiling one takes longer than running it.
    jit: 'off',
    // A queue table turns over completely within seconds, and its dead rows slow every claim.
    autovacuum_naptime: '10s',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_line_prefix: '%m [%p] %q%a: ',
  }
}

export const argsOf = (settings: Settings): string[] =>
  Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])

export function sharedBuffersMb(memory: number): number {
  const eighth = Math.floor(memory / 8 / 2 ** 20)
  return Math.max(SHARED_BUFFERS_MIN_MB, Math.min(SHARED_BUFFERS_MAX_MB, eighth))
}

/** A container's limit where there is one; without one the system tells a number beyond all memory, or 0. */
function memoryBytes(): number {
  const limit = process.constrainedMemory()
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}
