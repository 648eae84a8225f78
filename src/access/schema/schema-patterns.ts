// The patterns of schemas. JavaScript's own engine backtracks, which some patterns make exponential. RE2 reads the
// text once, and refuses patterns that cannot be matched in linear time.

import { LRUCache } from 'lru-cache'
import { RE2JS, RE2JSException } from 're2js'
import { cutText } from '#core/storable.ts'
import { chargePattern } from './schema-steps.ts'

const LENGTH_MAX = 1_000
/** Instructions of a compiled pattern: matching a text takes at most its length times this. */
const SIZE_MAX = 2_000
/** Instructions of all cached patterns. */
const KEPT_SIZE_MAX = 500_000

type Pattern = { test: (text: string) => boolean; size: number }

const patterns = new LRUCache<string, Pattern>({ maxSize: KEPT_SIZE_MAX, sizeCalculation: ({ size }) => size + 10 })

/** The factory with which Ajv compiles a schema's patterns; throws what is wrong with one. */
export function linearPattern(pattern: string): Pattern {
  const known = patterns.get(pattern)
  if (known) return known
  const fail = (why: string) => new Error(`the pattern ${JSON.stringify(cutText(pattern, 80))} ${why}`)
  if (pattern.length > LENGTH_MAX) throw fail(`is longer than ${LENGTH_MAX} characters`)
  let made: RE2JS
  try {
    made = RE2JS.compile(RE2JS.translateRegExp(pattern))
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    throw fail(
      `is not supported: patterns are those of RE2, without look-around and back-references (${error.message})`,
    )
  }
  const size = made.programSize()
  if (size > SIZE_MAX) throw fail('is too large once its repetitions are written out')
  const counting = {
    size,
    test(text: string) {
      chargePattern(text.length * size)
      return made.test(text)
    },
    // Ajv distinguishes the patterns of a schema by their text.
    toString: () => pattern,
  }
  patterns.set(pattern, counting)
  return counting
}
linearPattern.code = 'linearPattern'
