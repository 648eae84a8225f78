// Keeps an embedded server running: when it dies (a crash, the memory killer, a `kill -9`), it is started again, later each
// time; when it dies again and again, the node is told to end, with a message that says what to do.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive } from './process-table.ts'
import { type Embedded, type EmbeddedOptions, startEmbedded } from './server.ts'

export type KeepOptions = EmbeddedOptions & {
  /** Told of deaths and of what became of them. */
  warn: (line: string) => void
  /** Called once, when there is no hope left. */
  onGiveUp: (error: Error) => void
}

export type Kept = {
  url: string
  /** False from a death until the server takes connections again. */
  isRunning(): boolean
  stop(): Promise<void>
}

const LOOK_EVERY_MS = 250
const RESTART_MS_MIN = 250
const RESTART_MS_MAX = 10_000
const DEATHS_MAX = 5
/** Deaths that are longer ago have other causes. */
const DEATHS_WITHIN_MS = 10 * 60_000

export async function keepEmbedded({ onGiveUp, warn, ...options }: KeepOptions): Promise<Kept> {
  const stopping = new AbortController()
  const { signal } = stopping
  const deaths: number[] = []
  let server = await startEmbedded(options)
  const { url } = server
  let running = true

  async function keep(): Promise<void> {
    while (!signal.aborted) {
      await sleep(LOOK_EVERY_MS, undefined, { signal, ref: false }).catch(() => {})
      if (signal.aborted || (await isAlive(server.pid))) continue
      running = false
      const again = await restart()
      if (!again) return
      server = again
      running = true
    }
  }

  /** Undefined when it is to be stopped, or given up. */
  async function restart(): Promise<Embedded | undefined> {
    for (let cause: unknown; !signal.aborted; ) {
      const nowMs = performance.now()
      while (deaths[0] !== undefined && nowMs - deaths[0] > DEATHS_WITHIN_MS) deaths.shift()
      deaths.push(nowMs)
      if (deaths.length > DEATHS_MAX) return void onGiveUp(hopeless(options.dataDir, cause))
      const waitMs = Math.min(RESTART_MS_MAX, RESTART_MS_MIN * 2 ** (deaths.length - 1))
      warn(`PostgreSQL has crashed; restarting it in ${waitMs} ms`)
      await sleep(waitMs, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      // What the dead server's connection still holds here is let go of.
      await server.leave()
      const again = await startEmbedded(options).catch((error: unknown) => {
        cause = error
        warn(`PostgreSQL failed to restart: ${(error as Error).message}`)
      })
      if (again?.url === url) {
        warn('PostgreSQL is running again')
        return again
      }
      // Everything in this process is connected to the old port, which another program has taken meanwhile.
      if (again) {
        cause = new Error('its port was taken by another program')
        await again.stop()
      }
    }
  }

  const kept = keep()
  return {
    url,
    isRunning: () => running,
    async stop() {
      stopping.abort()
      await kept
      await server.stop()
    },
  }
}

function hopeless(dataDir: string, cause: unknown): Error {
  const last = cause instanceof Error ? ` The last start failed: ${cause.message}` : ''
  return new Error(
    `PostgreSQL has died ${DEATHS_MAX + 1} times in ${DEATHS_WITHIN_MS / 60_000} minutes. Read the end of ` +
      `${join(dataDir, 'postgres.log')}, and see whether memory or disk is short (a server that ends by signal 9 was ` +
      `killed by the system or by a person). Then start again, or set DATABASE_URL to a PostgreSQL of your own.${last}`,
    { cause },
  )
}
