// W3C Trace Context: a run's place in a distributed trace, read from the caller and passed to its handler.

/** `spanId` is the caller's span in a header that was read, and our span in a header that is sent. */
export type TraceContext = { traceId: string; spanId: string; sampled: boolean }

// Upper case is invalid according to the standard, and so is version ff. Versions after 00 may append fields.
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const SAMPLED = 0x01
const HEADER_LENGTH_MAX = 512

/** Undefined for anything that must be ignored: the receiver then starts a new trace. */
export function parseTraceparent(header: string | undefined): TraceContext | undefined {
  if (!header || header.length > HEADER_LENGTH_MAX) return undefined
  const [, version, traceId = '', spanId = '', flags = '', more] = TRACEPARENT.exec(header.trim()) ?? []
  if (!version || isZero(traceId) || isZero(spanId)) return undefined
  if (version === '00' && more !== undefined) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED }
}

export function formatTraceparent({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`
}

/** The first span of a new trace, from 24 random bytes. */
export function newTrace(random: Uint8Array): TraceContext {
  return { traceId: hexId(random.subarray(0, 16), 16), spanId: hexId(random.subarray(16, 24), 8), sampled: true }
}

/** The trace of a run whose trigger named none: a run's id has the 16 bytes of a trace's. */
export function traceOfRun(runId: string): TraceContext {
  const traceId = runId.replaceAll('-', '')
  return { traceId, spanId: traceId.slice(16), sampled: true }
}

/** A span below `parent` in the same trace, from 8 random bytes. */
export function childSpan(parent: TraceContext, random: Uint8Array): TraceContext {
  return { ...parent, spanId: hexId(random.subarray(0, 8), 8) }
}

const isZero = (id: string) => /^0*$/.test(id)

function hexId(bytes: Uint8Array, length: number): string {
  if (bytes.length !== length) throw new Error(`an id needs ${length} random bytes, not ${bytes.length}`)
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  // All zeroes means "no id", and a receiver would drop the trace.
  return isZero(hex) ? hex.replace(/0$/, '1') : hex
}
