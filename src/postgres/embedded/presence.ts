// The one connection that a process keeps to its embedded server for as long as it uses it. By it every other
// process on the same data folder sees that the server is still wanted.

import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { connect } from '../sql.ts'
import { ROLE } from './initdb.ts'
import type { Server } from './pidfile.ts'

export const DATABASE = 'runyard'
// Must begin with 'runyard', as the names of the pools do: that is what `isWantedByOthers` looks for.
const NAME = 'runyard-embedded'
const POOLS_GONE_MAX_MS = 1_000
const POLL_MS = 20

export type Presence = { isWantedByOthers(): Promise<boolean>; leave(): Promise<void> }

export const urlOf = (port: number, password: string, database = DATABASE): string =>
  `postgres://${ROLE}:${password}@127.0.0.1:${port}/${database}`

/**
 * Connects, and makes the database when it is absent. Fails when the server that answers is another than
 * the one in `server`: after a crash the port of a stale postmaster.pid may belong to anybody.
 */
export async function openPresence(server: Server, password: string): Promise<Presence> {
  // One connection, which the driver keeps open: statements have a time limit, the connection has none.
  const sql = connect(urlOf(server.port, password), { max: 1, name: NAME })
  try {
    await ensureDatabase(sql, server.port, password)
    const [found] = await sql<{ mark: string }[]>`select pg_read_file('postmaster.pid') as mark`
    if (found?.mark !== server.mark) throw new Error(`the server on port ${server.port} has another data folder`)
  } catch (error) {
    await sql.end({ timeout: 1 })
    throw error
  }
  return {
    isWantedByOthers: () => isWantedByOthers(sql),
    leave: () => sql.end({ timeout: 1 }),
  }
}

/** Whether another process uses the server. The caller has closed its own pools. */
async function isWantedByOthers(sql: postgres.Sql): Promise<boolean> {
  const giveUpAt = Date.now() + POOLS_GONE_MAX_MS
  while (Date.now() < giveUpAt) {
    const [others] = await sql<{ processes: number; connections: number }[]>`
      select count(*) filter (where application_name = ${NAME})::int as processes, count(*)::int as connections
      from pg_stat_activity
      where backend_type = 'client backend' and application_name like 'runyard%' and pid <> pg_backend_pid()`
    if (!others?.connections) return false
    if (others.processes) return true
    // Connections without a process of their own: most likely the caller's, which end a moment after they are closed.
    await sleep(POLL_MS)
  }
  return true
}

async function ensureDatabase(sql: postgres.Sql, port: number, password: string): Promise<void> {
  try {
    await sql`select`
  } catch (error) {
    const isAbsent = error instanceof postgres.PostgresError && error.code === '3D000'
    if (!isAbsent) throw error
    const admin = connect(urlOf(port, password, 'postgres'), { max: 1, name: NAME })
    await admin`create database ${admin(DATABASE)}`.finally(() => admin.end({ timeout: 1 }))
  }
}
