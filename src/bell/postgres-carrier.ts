// Rings through PostgreSQL (LISTEN/NOTIFY): one connection per process that listens and notifies, and nothing else.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Hosts } from '#postgres/hosts/hosts.ts'
import { sessionSettings } from '#postgres/session-settings.ts'
import { openSession } from '#postgres/sql.ts'
import type { Carrier, CarrierOptions } from './carrier.ts'

const CHANNEL = 'runyard_bell'
const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 2_000
/** Keepalive: a connection that a firewall forgot looks alive for many minutes; a missing response reveals it. */
const PROBE_EVERY_MS = 15_000
const STATEMENT_MS = 5_000

/** Resolves once it listens for the first time; rejects when that fails. */
export async function postgresCarrier(to: string | Hosts, { hear, restored, log }: CarrierOptions): Promise<Carrier> {
  const closing = new AbortController()
  let line = await openLine(to, hear)
  let up = true

  async function keep(): Promise<void> {
    while (!closing.signal.aborted) {
      await line.lost
      up = false
      if (closing.signal.aborted) return
      log('The connection that carries rings is lost. Until it is back, processes notice changes a little later.')
      await line.end()
      const next = await reopen()
      if (!next) return
      line = next
      up = true
      log('The connection that carries rings is back.')
      restored()
    }
  }

  async function reopen(): Promise<Line | undefined> {
    for (let waitMs = RETRY_MS_MIN; ; waitMs = Math.min(waitMs * 2, RETRY_MS_MAX)) {
      // Jitter, so that many processes do not reconnect at the same moment when a server comes back.
      await sleep(waitMs * (0.5 + Math.random()), undefined, { signal: closing.signal }).catch(() => {})
      if (closing.signal.aborted) return
      const opened = await openLine(to, hear).catch(() => undefined)
      if (opened && closing.signal.aborted) await opened.end()
      else if (opened) return opened
    }
  }

  void keep()
  return {
    async send(payload) {
      if (!up) throw new Error('The connection that carries rings is lost.')
      await line.notify(payload)
    },
    async close() {
      closing.abort()
      await line.end()
    },
  }
}

type Line = { notify(payload: string): Promise<unknown>; lost: Promise<void>; end(): Promise<void> }

async function openLine(to: string | Hosts, hear: (payload: string) => void): Promise<Line> {
  const session = await openSession(to, {
    settings: {
      ...sessionSettings({ name: 'runyard-bell', statementTimeoutMs: STATEMENT_MS, plans: 'once' }),
      // A notification takes a transaction id, and its commit would otherwise wait for the disk.
      synchronous_commit: 'off',
    },
    limitMs: STATEMENT_MS,
    onNotify: hear,
  })
  // A ping that is not answered in time ends the connection, which is how its loss is noticed.
  const probe = setInterval(() => void session`select 1`.catch(() => {}), PROBE_EVERY_MS)
  const end = () => {
    clearInterval(probe)
    return session.release()
  }
  try {
    await session.unsafe(`listen ${CHANNEL}`)
  } catch (error) {
    await end()
    throw error
  }
  return { notify: (payload) => session`select pg_notify(${CHANNEL}, ${payload})`, lost: session.lost, end }
}
