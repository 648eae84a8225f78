// The log recognizes the server that it is on. On another one it takes over: transactions that come are numbered behind
// all that are in the log, whatever the new server calls them, and each project's log says so itself.
import type { Logger } from 'pino'
import type { Place } from '#core/log/seal.ts'
import type { Db, Sql } from '#postgres/sql.ts'
import { appendEvents } from '../append-events.sql.ts'
import {
  findLogServer,
  insertLogServer,
  type KnownServer,
  lockLog,
  readLogEnd,
  readProjectIds,
  readServer,
  renumberFrom,
  type Server,
} from './servers.sql.ts'

/**
 * `new`: the log begins here. `moved`: a dump was restored here. `promoted`: a replica or a base backup took over, which
 * may lag behind what readers were told. `restored`: the operator says that a copy was put back.
 */
export type Change = 'new' | 'moved' | 'promoted' | 'restored'

/**
 * Each server of the log has so many numbers to itself. A server needs years for as many transactions, so that one of
 * which the dump knows nothing yet had none beyond them.
 */
const NUMBERS_BITS = 40n
/** Promotions that a dump may not know of. */
const PROMOTIONS_MAX = 16n
const NUMBER_MAX = 1n << 62n
const EVENTS_AT_ONCE = 1_000

/** What is another server than the log was on, and how; undefined on the same one, or where it cannot be told. */
function changeOf(known: KnownServer | undefined, found: Server, ahead: boolean): Change | undefined {
  // Without a mark it is of a version that made none, and may have been restored since.
  if (!known) return ahead ? 'moved' : 'new'
  // Its rows were brought without what is defined in the database, such as by a dump of data alone.
  if (found.base !== known.base) return 'moved'
  if (found.system === undefined) return undefined
  // It tells by now, and is the same as far as anybody can see.
  if (known.system === null) return ahead ? 'moved' : 'new'
  if (found.system !== known.system) return 'moved'
  const isPromoted = found.timeline !== undefined && known.timeline !== null && found.timeline !== known.timeline
  return isPromoted ? 'promoted' : undefined
}

export type Recognize = { log: Pick<Logger, 'warn'>; restored?: 'restored' | undefined }

/** Safe on every node at once: one takes over, and the others find it done. `restored`: whatever the server is. */
export async function recognizeServer(sql: Sql, { log, restored }: Recognize): Promise<void> {
  const found = await readServer(sql)
  if (!restored && !changeOf(await findLogServer(sql), found, false)) return
  const changed = await sql.begin(async (tx) => {
    await lockLog(tx)
    const [known, end] = [await findLogServer(tx), await readLogEnd(tx)]
    const change = restored ?? changeOf(known, found, end.ahead)
    if (change === 'new') await insertLogServer(tx, found, end.last)
    else if (change) await takeOver(tx, { change, known, found, ...end })
    return change
  })
  if (changed && changed !== 'new')
    log.warn({ change: changed }, 'the log continues on another server; see docs/backup.md')
}

type TakeOver = { change: Change; known: KnownServer | undefined; found: Server; highest: bigint; last: Place }

async function takeOver(tx: Db, { change, known, found, highest, last }: TakeOver): Promise<void> {
  const steps = change === 'promoted' ? 1n : PROMOTIONS_MAX
  const base = ((highest >> NUMBERS_BITS) + steps) << NUMBERS_BITS
  if (base > NUMBER_MAX) throw new Error(`The log has an event numbered ${highest}, beyond which no server can number.`)
  await renumberFrom(tx, base)
  await insertLogServer(tx, { ...found, base }, last)
  const data = {
    change,
    from: known && { system: known.system, timeline: known.timeline },
    to: { system: found.system, timeline: found.timeline },
    last_xid: last.xid,
    last_position: last.position,
    base: base.toString(),
  }
  await tellProjects(tx, { type: 'log.server_changed', data })
}

/** An event about the log itself, in the log of each project. */
export async function tellProjects(sql: Db, { type, data }: { type: string; data: object }): Promise<void> {
  const projectIds = await readProjectIds(sql)
  for (let from = 0; from < projectIds.length; from += EVENTS_AT_ONCE) {
    await appendEvents(
      sql,
      projectIds.slice(from, from + EVENTS_AT_ONCE).map((projectId) => ({
        projectId,
        type,
        actor: { type: 'system', id: null },
        resourceType: 'log',
        data,
      })),
    )
  }
}
