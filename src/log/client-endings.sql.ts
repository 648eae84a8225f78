// A client says in its own words that its run ended; the engine then moves the run, and says so in ours. To the client
// that is one fact, told twice: its views leave ours out.
import { EXTERNAL_ENDINGS } from '#core/run.ts'
import type { Db, Fragment } from '#postgres/sql.ts'
import { eventData } from './event-columns.sql.ts'

/** In the data of our event: the type under which the client reported it. */
export const TOLD_AS = 'told_as'

export const ENDINGS = Object.keys(EXTERNAL_ENDINGS)

/** Of the events `e`, those that are not such a second telling. */
export const notToldTwice = (sql: Db, e: string): Fragment =>
  sql`not (${sql(e)}.type = any(${ENDINGS}::text[]) and ${eventData(sql, e)} -> ${TOLD_AS} is not null)`
