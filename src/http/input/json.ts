// Parses JSON from clients: malformed text is refused with its position, and a value that cannot be stored or
// returned unchanged (NUL, unpaired surrogates, excessive nesting, huge numbers) with its field.

import { isUtf8 } from 'node:buffer'
import { type FieldProblem, type Refusal, refuse } from '#core/error.ts'
import { Json } from '#core/json/json.ts'
import { endOfString, hasHugeNumber, TOO_MANY_DIGITS } from '#core/json/json-text.ts'
import { own } from '#core/own.ts'
import { DEPTH_MAX } from '#core/storable.ts'
import { asWritten, type Places } from './as-written.ts'
import { fieldPath } from './field-path.ts'
import { placeOfError } from './json-place.ts'

const FLAWS_MAX = 20
// A double has at most 309 digits; longer numbers must be checked.
const DIGITS_MAX = 300

/** `suspect` means that the text shows signs of a flaw, so `findFlaws` must examine the value. */
export type ParsedJson = { value: unknown; suspect: boolean }

/** `places`: where the value is to hold JSON as it was written. */
export function parseJson(bytes: Buffer, places?: Places, what = 'The body'): ParsedJson {
  if (!isUtf8(bytes)) throw refuse('malformed', { reason: `${what} is not valid UTF-8.` })
  return parseJsonText(bytes.toString('utf8'), what, places)
}

export function parseJsonText(source: string, what: string, places?: Places): ParsedJson {
  // A byte order mark is not part of JSON, but some tools send one.
  const text = source.charCodeAt(0) === 0xfeff ? source.slice(1) : source
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw malformed(text, what, (error as Error).message)
  }
  return { value: asWritten(text, value, places), suspect: isSuspect(text) }
}

// Walking every value would cost as much as parsing it. Every flaw leaves a trace in the text: an escape, one of two
// words, an exponent, depth. The value is walked only if there is one.
function isSuspect(text: string): boolean {
  return text.includes('\\u') || text.includes('__proto__') || text.includes('"constructor"') || isDeepOrHuge(text)
}

const QUOTE = 0x22

function isDeepOrHuge(text: string): boolean {
  let depth = 0
  let digits = 0
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === QUOTE) at = endOfString(text, at)
    else if (char === 0x7b || char === 0x5b) depth++
    else if (char === 0x7d || char === 0x5d) depth--
    // An exponent; the letter is also in true and false, but never after a digit.
    else if ((char === 0x65 || char === 0x45) && digits > 0) return true
    digits = char >= 0x30 && char <= 0x39 ? digits + 1 : 0
    if (depth > DEPTH_MAX || digits > DIGITS_MAX) return true
  }
  return false
}

/** What is wrong with a parsed value, field by field; only the first flaws, so that an attack costs little. */
export function findFlaws(value: unknown): FieldProblem[] {
  const flaws: FieldProblem[] = []
  const path: (string | number)[] = []
  // What is kept as it was written may hold numbers that no double does.
  let kept = false
  const add = (message: string) => flaws.push({ field: fieldPath(path), message })

  const walk = (at: unknown): void => {
    if (flaws.length >= FLAWS_MAX) return
    if (typeof at === 'string') {
      const flaw = textFlaw(at)
      if (flaw) add(flaw)
    } else if (typeof at === 'number') {
      if (!kept && !Number.isFinite(at)) add('is a number too large to be kept')
    } else if (at instanceof Json) {
      if (hasHugeNumber(at.text)) add(`has a number ${TOO_MANY_DIGITS}`)
      kept = true
      walk(at.value)
      kept = false
    } else if (typeof at === 'object' && at !== null) {
      if (path.length >= DEPTH_MAX) return void add(`is nested more than ${DEPTH_MAX} deep`)
      if (Array.isArray(at)) for (let index = 0; index < at.length; index++) step(index, at[index])
      else for (const key of Object.keys(at)) stepInto(at, key)
    }
  }
  const step = (key: string | number, below: unknown) => {
    path.push(key)
    walk(below)
    path.pop()
  }
  const stepInto = (parent: object, key: string) => {
    path.push(key)
    const below = own(parent as Record<string, unknown>, key)
    const flaw = textFlaw(key)
    if (flaw) add(`has a name that ${flaw}`)
    else if (isPoison(key, below)) add('is a name that is not taken')
    else walk(below)
    path.pop()
  }
  walk(value)
  return flaws
}

export function textFlaw(text: string): string | undefined {
  if (text.includes('\0')) return 'contains a NUL character'
  if (!text.isWellFormed()) return 'contains half of a character (a lone surrogate)'
  return undefined
}

// Harmless here; but payloads go on to handlers and agents, where a careless merge would be prototype pollution.
const isPoison = (key: string, below: unknown): boolean =>
  key === '__proto__' ||
  (key === 'constructor' && typeof below === 'object' && below !== null && Object.hasOwn(below, 'prototype'))

function malformed(text: string, what: string, message: string): Refusal {
  const known = /at position (\d+)/.exec(message)?.[1]
  const position = known === undefined ? placeOfError(text) : Number(known)
  const before = text.slice(0, position).split('\n')
  const line = before.length
  const column = (before.at(-1)?.length ?? 0) + 1
  // V8 quotes the text around the error; the caller knows its own text, and the log need not have it.
  const reason = message.replace(
    /(?:,? in JSON at position.*| of JSON input|, (?:\.\.\.)?".*" is not valid JSON| in JSON|JSON input)$/s,
    '',
  )
  return refuse('malformed', {
    reason: `${what} is not valid JSON: ${reason.trim()} at line ${line}, column ${column}.`,
    position,
    line,
    column,
  })
}
