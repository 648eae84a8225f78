// How a log looks to a client. What an event is called and what its JSON holds is the caller's: each surface has words
// of its own, and all have the same streams.
import type { RunLogRow } from '#log/read-log.sql.ts'
import type { TailCursor, TailEvent } from '#log/tail.sql.ts'

/** How rows look on the wire. Streams with the same wire share what was formatted for one of them. */
export type Wire<Row, At> = {
  /** A whole frame with its blank line (see `frame`); '' for a row that this stream leaves out. */
  frame(row: Row): string
  heartbeat(at: At): string
  /** What the stream begins with, before any row; without it, how soon a client that was cut off comes back. */
  opening?: string
}

/** One frame. `data` is JSON as JSON.stringify makes it. */
export const frame = (id: string | number, type: string, data: string): string =>
  // A line break in the name of a type would begin a field of its own.
  `id: ${id}\nevent: ${/[\r\n]/.test(type) ? type.replace(/[\r\n]/g, ' ') : type}\ndata: ${oneLine(data)}\n\n`

/** Some clients take these for ends of lines as well; in JSON they stand in texts alone, where they may be escaped. */
export const oneLine = (json: string): string =>
  /[\u0085\u2028\u2029]/.test(json)
    ? json.replace(/[\u0085\u2028\u2029]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : json
export const HEARTBEAT = ': heartbeat\n\n'

/** A run's stream; its ids are the sequence. `json` is the wire's event. */
export const runWire = (json: (row: RunLogRow) => string): Wire<RunLogRow, number> => ({
  frame: (row) => frame(row.sequence!, row.type, json(row)),
  heartbeat: () => HEARTBEAT,
})

/** The same with what a model wrote alone. Ids are still the sequence, so a client may change over. */
export const chunkWire = (json: (row: RunLogRow) => string): Wire<RunLogRow, number> => ({
  frame: (row) => (row.type === 'stream.chunk' ? frame(row.sequence!, row.type, json(row)) : ''),
  heartbeat: () => HEARTBEAT,
})

/** A project's feed of the events that `wants` lets through; its ids are places in the log. */
export const tailWire = (
  json: (event: TailEvent) => string,
  wants: (event: TailEvent) => boolean = () => true,
): Wire<TailEvent, TailCursor> => ({
  frame: (event) => (wants(event) ? frame(tailIdOf(event), event.type, json(event)) : ''),
  // A client of few events comes back to the place that was looked at, and not to its latest event long before it.
  heartbeat: (at) => `id: ${tailIdOf(at)}\n${HEARTBEAT}`,
})

export const tailIdOf = ({ xid, position }: TailCursor): string => `${xid}-${position}`

/** Undefined for what is not such an id. */
export function tailCursorOf(id: string): TailCursor | undefined {
  const [, xid, position] = /^(\d{1,19})-(\d{1,15})$/.exec(id) ?? []
  return xid === undefined ? undefined : { xid, position: Number(position) }
}
