// A run's stream as AG-UI. Each stream has a wire of its own, since it remembers what it has told.
import { printJson } from '#core/json/json.ts'
import type { RunLogRow } from '#log/read-log.sql.ts'
import { HEARTBEAT, oneLine, type Wire } from '../wire.ts'
import { translateRun } from './translate.ts'

/** Follows a stream from its beginning, and writes what comes after the sequence. */
export function agUiWire(publicId: string, afterSequence: number): Wire<RunLogRow, number> {
  const translation = translateRun(publicId)
  return {
    frame(row) {
      const events = translation.tell(row)
      const sequence = row.sequence ?? 0
      if (sequence <= afterSequence) return ''
      // Only the last one has the id: a client that was cut off between them is told all of them again.
      return events
        .map((event, index) => {
          const id = index === events.length - 1 ? `id: ${sequence}\n` : ''
          return `${id}data: ${oneLine(printJson(event))}\n\n`
        })
        .join('')
    },
    heartbeat: () => HEARTBEAT,
  }
}
