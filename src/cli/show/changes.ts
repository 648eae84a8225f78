// What would change, field by field.
import { isDeepStrictEqual } from 'node:util'
import { own } from '#core/own.ts'
import type { Cli } from '../cli.ts'
import { oneLine } from '../safe-text.ts'

export type Change = { field: string; from: unknown; to: unknown }

/** The fields of `after` that differ; those that it leaves out do not count. */
export const changedFields = (before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>) =>
  Object.entries(after)
    .map(([field, to]): Change => ({ field, from: own(before, field), to }))
    .filter(({ from, to }) => !isDeepStrictEqual(from, to))

/** As a diff on stderr: it is about the change, and not its result. */
export function showChanges({ terminal }: Cli, changes: readonly Change[]): void {
  if (changes.length === 0) terminal.say('Nothing changes.')
  for (const { field, from, to } of changes) {
    if (from !== undefined) terminal.say(terminal.styleWords('red', oneLine(`- ${field}: ${shown(field, from)}`)))
    terminal.say(terminal.styleWords('green', oneLine(`+ ${field}: ${shown(field, to)}`)))
  }
}

/** Values of headers may be secrets, which must not reach the log of whoever runs this: their names are shown alone. */
const shown = (field: string, value: unknown): string =>
  field === 'endpoint_headers'
    ? Object.keys(value ?? {})
        .sort()
        .join(', ') || 'none'
    : JSON.stringify(value)
