// What two errors of one kind have in common: their message without numbers, ids and quoted text.
import { cutText } from '../storable.ts'

/** What is looked at of a message, and kept of a masked one. */
const READ_MAX = 2_000
const MASKED_MAX = 300

const QUOTED = '“…”'
const MASK = '#'

/** A quotation begins at the edge of a word: the apostrophe of “can't” is none. */
const QUOTATION = /(?<![\p{L}\p{N}#])(["'`])[^"'`]*\1|[“«][^“”«»]*[”»]/gu
/** A UUID, or a word with a digit in it: a number, an id, a date, a version. */
const WITH_DIGIT = /(?<![\p{L}\p{N}_])(?:[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}|[\p{L}_]*\p{N}[\p{L}\p{N}_]*)/giu
/** Masks of one address, time or list: `#.#.#.#`, `#-#-#`, `#, #`. */
const ROW_OF_MASKS = /#(?:[-.:/,+@;]?[ ]?#)+/g

/**
 * Takes time in proportion to the length of the message. Letters alone are kept, so an id without a digit is taken for
 * a word. A message is masked once: quotations within quotations may be masked further by a second time.
 */
export const maskMessage = (message: string): string =>
  cutText(
    message
      .slice(0, READ_MAX)
      .replace(/\s+/g, ' ')
      .replace(QUOTATION, QUOTED)
      .replace(WITH_DIGIT, MASK)
      .replace(ROW_OF_MASKS, MASK)
      .trim(),
    MASKED_MAX,
  ).trimEnd()
