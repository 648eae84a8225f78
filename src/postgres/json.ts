// JSON on its way into a statement travels as text and is cast there: one meaning, whatever the driver's types.

import { printJson } from '#core/json/json.ts'

/** The JSON text of a value; null for undefined, which is "nothing was said". */
export const jsonText = (value: unknown): string | null => (value === undefined ? null : printJson(value))
