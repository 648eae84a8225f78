// What a client may call a run of its own.
import { refuseField } from './error.ts'

/** C0, DEL, C1, and the separators of Unicode that end a line. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u

/** For an id that begins a run: it is shown in logs, lists, headers and streams, whose lines it must not break. */
export function checkNewRunId(id: string, field: string): void {
  if (CONTROL.test(id)) throw refuseField(field, 'must not contain line breaks or control characters')
}
