// Several hosts, of which one is wanted: they are asked one after the other, and the next one does not wait for the
// deadline of one that is silent.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Line, lineError } from '../line.ts'
import { type Host, nameOf } from './address.ts'

/** So long a host has the field to itself. */
const NEXT_AFTER_MS = 500
/** While another host is silent, one that refused is asked again: it may be promoted meanwhile. */
const AGAIN_MS = 500
const OPEN_MS_MIN = 500

type Open = (host: Host, withinMs: number) => Promise<Line>

/** The first line that a host grants; the hosts are asked in this order. */
export function openFirst(hosts: readonly Host[], withinMs: number, open: Open): Promise<Line> {
  const endMs = performance.now() + withinMs
  const errors = new Map<Host, Error>()
  const { promise, resolve, reject } = Promise.withResolvers<Line>()
  let over = false
  let begun = 0
  let ended = 0

  async function ask(host: Host): Promise<void> {
    for (;;) {
      try {
        const line = await open(host, Math.max(OPEN_MS_MIN, endMs - performance.now()))
        if (over) return void line.end()
        over = true
        return resolve(line)
      } catch (error) {
        errors.set(host, error as Error)
        if (!over && begun < hosts.length) begin()
        // Somebody has not said anything yet, so there is time to ask again.
        if (over || errors.size === hosts.length || performance.now() > endMs) break
        await sleep(AGAIN_MS)
        if (over) break
      }
    }
    if (++ended === hosts.length && !over) reject(failureOf(errors))
  }

  function begin(): void {
    const host = hosts[begun++]!
    void ask(host)
    if (begun < hosts.length) void sleep(NEXT_AFTER_MS).then(() => beginAfter(host))
  }

  /** Unless it has failed, and the next one was begun then. */
  function beginAfter(host: Host): void {
    if (!over && !errors.has(host) && begun < hosts.length) begin()
  }

  begin()
  return promise
}

function failureOf(errors: ReadonlyMap<Host, Error>): Error {
  const all = [...errors]
  const isLate = all.some(([, error]) => (error as { code?: unknown }).code === 'CONNECT_TIMEOUT')
  const said = all.map(([host, { message }]) => `${nameOf(host)}: ${message}`).join('; ')
  const failure = lineError(isLate ? 'CONNECT_TIMEOUT' : 'CONNECTION_CLOSED', `no host takes writes: ${said}`)
  return Object.assign(failure, { cause: all[0]![1] })
}
