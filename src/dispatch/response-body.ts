// Collects a response body within a bound, and reads it as text and, where it is JSON, as JSON.

const FIRST_BYTES = 4_096

/** `add` answers false, and keeps what fits, when the body outgrows `bytesMax`. */
export function boundedBody(bytesMax: number) {
  let buffer = new Uint8Array(0)
  let length = 0
  return {
    // Copied into one growing buffer: a body that trickles in byte by byte would otherwise cost a hundred
    // times its size in small buffers.
    add(chunk: Uint8Array): boolean {
      const kept = chunk.subarray(0, bytesMax - length)
      if (length + kept.length > buffer.length) {
        const grown = new Uint8Array(Math.min(bytesMax, Math.max(buffer.length * 2, length + kept.length, FIRST_BYTES)))
        grown.set(buffer.subarray(0, length))
        buffer = grown
      }
      buffer.set(kept, length)
      length += kept.length
      return kept.length === chunk.length
    },
    bytes: () => buffer.subarray(0, length),
  }
}

/** Bytes that are not UTF-8 become U+FFFD; NUL characters stay, because not every reader minds them. */
export function decodeBody(
  bytes: Uint8Array,
  truncated: boolean,
): { bodyText: string; isJson: boolean; json?: unknown } {
  // `stream` drops a character that the cut went through instead of replacing it.
  const bodyText = new TextDecoder().decode(bytes, { stream: truncated })
  if (truncated || bodyText === '') return { bodyText, isJson: false }
  try {
    // What it is decides, not what the content type says: handlers forget the header more often than the body.
    return { bodyText, isJson: true, json: JSON.parse(bodyText) as unknown }
  } catch {
    return { bodyText, isJson: false }
  }
}
