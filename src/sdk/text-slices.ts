/** Text in pieces of limited length, cut between characters: half of one cannot be stored. No piece for no text. */
export function* slicesOf(text: string, lengthMax: number): Generator<string> {
  for (let from = 0; from < text.length; ) {
    let to = Math.min(from + lengthMax, text.length)
    if (to < text.length && /[\ud800-\udbff]/.test(text.charAt(to - 1))) to--
    yield text.slice(from, to)
    from = to
  }
}

/** The beginning of a text, never half of a character. */
export const beginOf = (text: string, lengthMax: number): string => slicesOf(text, lengthMax).next().value ?? ''
