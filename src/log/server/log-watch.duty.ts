// What may happen to the log from outside: its server becomes another one, or a transaction that is none of ours stays
// open, and feeds and seals wait for it. The former is seen to; the latter can only be told.
import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { findHolder, type Holder, readLogLag } from './lag.sql.ts'
import { recognizeServer } from './recognize-server.ts'

/** No statement or pause of ours keeps a transaction open for longer. */
export const TAIL_LATE_MS = 30_000
/** A window is closed after a minute, and a few ticks may fail. */
export const SEALS_LATE_MS = 180_000
/** A stall that goes on is told again. */
const TELL_EVERY_MS = 600_000

type Bounds = { tailLateMs?: number }

/** Safe on every node at once; each tells for itself. */
export function logWatch(ctx: Ctx, { tailLateMs = TAIL_LATE_MS }: Bounds = {}): Duty {
  const [feeds, seals] = [makeTeller(), makeTeller()]
  return {
    name: 'log',
    everyMs: 10_000,
    // Nobody rings it: it looks when the connection that carries rings was lost, as after a failover.
    topics: ['server'],
    async tick() {
      await recognizeServer(ctx.sql, ctx)
      const { tailMs, sealsMs } = await readLogLag(ctx.sql)
      const holder = tailMs > tailLateMs ? await findHolder(ctx.sql) : undefined
      feeds.tell(tailMs > tailLateMs, {
        late: () => ctx.log.warn({ lag_ms: Math.round(tailMs), session: holder }, stallOf(holder)),
        over: () => ctx.log.info('project feeds are moving again'),
      })
      seals.tell(sealsMs > SEALS_LATE_MS, {
        late: () =>
          ctx.log.warn({ lag_ms: Math.round(sealsMs) }, 'the log is no longer being sealed; see docs/seals.md'),
        over: () => ctx.log.info('the log is being sealed again'),
      })
      return { inMs: undefined }
    },
  }
}

function stallOf(holder: Holder | undefined): string {
  const what = 'project feeds and seals are waiting for a transaction that stays open'
  if (!holder) return `${what}; PostgreSQL does not reveal whose it is`
  const { pid, prepared, user, database, application, client, openSecs } = holder
  const who = prepared === null ? `process ${pid} of PostgreSQL` : `the prepared transaction ${prepared}`
  const cure = prepared === null ? `select pg_terminate_backend(${pid})` : `rollback prepared '${prepared}'`
  const named = { user, database, application, client }
  const known = Object.entries(named).flatMap(([name, value]) => (value ? [`${name} ${value}`] : []))
  const age = openSecs === null ? '' : `, open for ${openSecs} s`
  return `${what}: ${who} (${known.join(', ')}${age}); to end it: ${cure}`
}

/** Tells of a state when it begins, once in a while as long as it lasts, and when it is over. */
function makeTeller() {
  let toldMs: number | undefined
  return {
    tell(isLate: boolean, { late, over }: { late: () => void; over: () => void }): void {
      const isTold = toldMs !== undefined && performance.now() - toldMs < TELL_EVERY_MS
      if (isLate && !isTold) {
        toldMs = performance.now()
        late()
      } else if (!isLate && toldMs !== undefined) {
        toldMs = undefined
        over()
      }
    },
  }
}
