// The ids that clients may choose for external runs.
import { refuseField } from './error.ts'

/** Control characters (C0, DEL, C1) and Unicode line separators. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u

/** For an id that starts a run: it appears in logs, lists, headers and streams, and must not break their lines. */
export function checkNewRunId(id: string, field: string): void {
  if (CONTROL.test(id)) throw refuseField(field, 'must not contain line breaks or control characters')
}
