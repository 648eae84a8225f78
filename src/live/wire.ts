// How a log is written to clients (SSE framing). Event names and JSON are up to the caller: each API has its own names,
// and all share the same streams.
import type { RunLogRow } from '#log/read-log.sql.ts'
import type { TailCursor, TailEvent } from '#log/tail.sql.ts'

/** Formats rows for the wire. Streams with the same wire share what was formatted for one of them. */
export type Wire<Row, At> = {
  /** A whole frame with its blank line (see `frame`); '' for a row that this stream omits. */
  frame(row: Row): string
  heartbeat(at: At): string
  /** What the stream begins with, before any row; by default, the reconnect delay of clients. */
  opening?: string
}

/** One frame. `data` is JSON as JSON.stringify writes it. */
export const frame = (id: string | number, type: string, data: string): string =>
  // A line break in a type's name would start another field.
  `id: ${id}\nevent: ${/[\r\n]/.test(type) ? type.replace(/[\r\n]/g, ' ') : type}\ndata: ${oneLine(data)}\n\n`

/**
 * Some clients treat these characters as line breaks; in JSON they occur only in strings, where they can be escaped.
 */
export const oneLine = (json: string): string =>
  /[\u0085\u2028\u2029]/.test(json)
    ? json.replace(/[\u0085\u2028\u2029]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : json
export const HEARTBEAT = ': heartbeat\n\n'

/** A run's stream; its ids are the sequence. `json` serialises the event. */
export const runWire = (json: (row: RunLogRow) => string): Wire<RunLogRow, number> => ({
  frame: (row) => frame(row.sequence!, row.type, json(row)),
  heartbeat: () => HEARTBEAT,
})

/** The same with only the output of a model. Ids are still the sequence, so a client may switch streams. */
export const chunkWire = (json: (row: RunLogRow) => string): Wire<RunLogRow, number> => ({
  frame: (row) => (row.type === 'stream.chunk' ? frame(row.sequence!, row.type, json(row)) : ''),
  heartbeat: () => HEARTBEAT,
})

/** A project's feed of the events that `wants` accepts; its ids are positions in the log. */
export const tailWire = (
  json: (event: TailEvent) => string,
  wants: (event: TailEvent) => boolean = () => true,
): Wire<TailEvent, TailCursor> => ({
  frame: (event) => (wants(event) ? frame(tailIdOf(event), event.type, json(event)) : ''),
  // A client with few events resumes at the last position read, not at its latest event long before.
  heartbeat: (at) => `id: ${tailIdOf(at)}\n${HEARTBEAT}`,
})

export const tailIdOf = ({ xid, position }: TailCursor): string => `${xid}-${position}`

/** Undefined for anything that is not such an id. */
export function tailCursorOf(id: string): TailCursor | undefined {
  const [, xid, position] = /^(\d{1,19})-(\d{1,15})$/.exec(id) ?? []
  return xid === undefined ? undefined : { xid, position: Number(position) }
}
