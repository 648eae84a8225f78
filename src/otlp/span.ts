// A span as it was exported, within bounds, whichever encoding it came in.

/** By their names, which clients choose: a map, because an object would hand out what every object inherits. */
export type Attributes = ReadonlyMap<string, unknown>

export type TraceSpan = {
  /** 32 hexadecimal digits, in lower case. */
  traceId: string
  /** 16 hexadecimal digits, in lower case. */
  spanId: string
  /** Null for the root of its trace. */
  parentSpanId: string | null
  name: string
  /** Milliseconds since 1970, with a fraction. */
  startMs: number | null
  /** Null while it is under way. */
  endMs: number | null
  isError: boolean
  /** What the error was. */
  message: string | null
  attributes: Attributes
  /** Attributes that were too many or too large to be kept. */
  dropped: number
  /** Of the process that made the span. */
  resource: Attributes
}

/** A span that cannot be taken, and why. The others of its request are taken all the same. */
export type RejectedSpan = { reason: string }

export const SPANS_MAX = 10_000
