// An export request as spans. JSON and protobuf have the same fields under the same names, so one walk reads both.
import { refuse, refuseField } from '#core/error.ts'
import { cutText } from '#core/storable.ts'
import { memberOf, readAttributes } from './attributes.ts'
import { decodeRequest } from './messages.ts'
import { type RejectedSpan, SPANS_MAX, type TraceSpan } from './span.ts'

export type Decoded = { spans: TraceSpan[]; rejected: RejectedSpan[] }

const NAME_LENGTH_MAX = 256
const MESSAGE_LENGTH_MAX = 1_000
const NANOS_PER_MS = 1_000_000
const STATUS_ERROR = 2

export function decodeProtobuf(bytes: Uint8Array): Decoded {
  let request: object
  try {
    request = decodeRequest(bytes)
  } catch {
    throw refuse('malformed', { reason: 'The body is not an ExportTraceServiceRequest in protobuf.' })
  }
  return spansIn(request)
}

export function decodeJson(bytes: Uint8Array): Decoded {
  let request: unknown
  try {
    request = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw refuse('malformed', { reason: 'The body is not valid JSON.' })
  }
  if (typeof request !== 'object' || request === null || Array.isArray(request))
    throw refuse('malformed', { reason: 'The body must be an object with resourceSpans.' })
  return spansIn(request)
}

function spansIn(request: object): Decoded {
  const decoded: Decoded = { spans: [], rejected: [] }
  listIn(request, 'resourceSpans', '').forEach((ofResource, at) => {
    const path = `resourceSpans[${at}]`
    const resource = readAttributes(memberOf(memberOf(ofResource, 'resource'), 'attributes'))
    if (!resource) throw refuseField(`${path}.resource.attributes`, 'must be a list')
    listIn(ofResource, 'scopeSpans', path).forEach((ofScope, index) => {
      for (const span of listIn(ofScope, 'spans', `${path}.scopeSpans[${index}]`)) {
        const read = decoded.spans.length < SPANS_MAX ? readSpan(span, resource.attributes) : TOO_MANY
        if ('reason' in read) decoded.rejected.push(read)
        else decoded.spans.push(read)
      }
    })
  })
  return decoded
}

const TOO_MANY: RejectedSpan = { reason: `a request may have ${SPANS_MAX} spans` }

function listIn(of: unknown, name: string, path: string): readonly unknown[] {
  const listed = memberOf(of, name)
  if (listed === undefined || listed === null) return []
  if (!Array.isArray(listed)) throw refuseField(path === '' ? name : `${path}.${name}`, 'must be a list')
  return listed
}

function readSpan(span: unknown, resource: TraceSpan['resource']): TraceSpan | RejectedSpan {
  const traceId = idOf(memberOf(span, 'traceId'), 16)
  const spanId = idOf(memberOf(span, 'spanId'), 8)
  const parent = memberOf(span, 'parentSpanId')
  const parentSpanId = isAbsent(parent) ? null : idOf(parent, 8)
  if (traceId === undefined) return { reason: 'traceId must be 16 bytes, not all of them zero' }
  if (spanId === undefined) return { reason: 'spanId must be 8 bytes, not all of them zero' }
  if (parentSpanId === undefined) return { reason: 'parentSpanId must be 8 bytes, or be left out' }
  const read = readAttributes(memberOf(span, 'attributes'))
  if (!read) return { reason: 'attributes must be a list' }
  const name = memberOf(span, 'name')
  const status = memberOf(span, 'status')
  const isError = String(memberOf(status, 'code') ?? 0) === String(STATUS_ERROR)
  return {
    traceId,
    spanId,
    // Nothing is above itself.
    parentSpanId: parentSpanId === spanId ? null : parentSpanId,
    name: typeof name === 'string' ? cutText(name, NAME_LENGTH_MAX) : '',
    startMs: msOf(memberOf(span, 'startTimeUnixNano')),
    endMs: msOf(memberOf(span, 'endTimeUnixNano')),
    isError,
    message: isError ? messageOf(memberOf(status, 'message'), memberOf(span, 'events')) : null,
    attributes: read.attributes,
    dropped: read.dropped + (countOf(memberOf(span, 'droppedAttributesCount')) ?? 0),
    resource,
  }
}

const isAbsent = (id: unknown): boolean =>
  id === undefined || id === null || id === '' || (id instanceof Uint8Array && id.length === 0)

/** In hexadecimal, as JSON has it, or as bytes. */
function idOf(value: unknown, length: number): string | undefined {
  const text = value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
  if (typeof text !== 'string' || text.length !== length * 2 || !/^[0-9a-f]+$/i.test(text)) return undefined
  return /^0+$/.test(text) ? undefined : text.toLowerCase()
}

/** 0 means that the sender does not know. */
function msOf(nanos: unknown): number | null {
  const count = countOf(nanos)
  return count === undefined || count === 0 ? null : count / NANOS_PER_MS
}

function countOf(value: unknown): number | undefined {
  const text = value === undefined || value === null ? '' : String(value)
  return /^\d{1,20}$/.test(text) ? Number(text) : undefined
}

const EVENTS_MAX = 128

/** The message of the status, or else that of the exception that was recorded last. */
function messageOf(said: unknown, events: unknown): string | null {
  if (typeof said === 'string' && said !== '') return cutText(said, MESSAGE_LENGTH_MAX)
  if (!Array.isArray(events)) return null
  for (const event of events.slice(-EVENTS_MAX).reverse()) {
    if (memberOf(event, 'name') !== 'exception') continue
    const thrown = readAttributes(memberOf(event, 'attributes'))?.attributes
    const text = thrown?.get('exception.message') ?? thrown?.get('exception.type')
    if (typeof text === 'string' && text !== '') return cutText(text, MESSAGE_LENGTH_MAX)
  }
  return null
}
