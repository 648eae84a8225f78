// How bodies are read: JSON at once, lines of JSON as a stream. Nothing else is taken.
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Refusal, refuse, refuseField } from '#core/error.ts'
import { cutText } from '#core/storable.ts'
import { type Places, placesOf } from './as-written.ts'
import { findFlaws, parseJson } from './json.ts'

/** What a body holds at most, unless its route says otherwise. */
export const BODY_BYTES_MAX = 1024 * 1024

/** Of the name of an encoding, as it is shown. */
const ENCODING_LENGTH_MAX = 100

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json(?:\s*;|$)/
const NDJSON_TYPE = /^application\/(?:x-ndjson|ndjson|x-jsonlines|jsonl)(?:\s*;|$)/

declare module 'fastify' {
  interface FastifyRequest {
    /** Bytes of a JSON body; 0 for none and for a stream. */
    bodyBytes: number
    /** The items of the body must be looked at one by one for what cannot be kept. */
    bodySuspect: boolean
  }
}

export function readBodies(app: FastifyInstance): void {
  app.decorateRequest('bodyBytes', 0)
  app.decorateRequest('bodySuspect', false)
  app.removeAllContentTypeParsers()
  app.addHook('preParsing', (request, _reply, stream, done) => done(encodingProblem(request), stream))
  // By callback: a promise for each body would be the dearest part of reading a small one. What it throws is passed on.
  app.addContentTypeParser<Buffer>(JSON_TYPE, { parseAs: 'buffer' }, (request, bytes, done) =>
    done(null, readJson(request, bytes)),
  )
  app.addContentTypeParser(NDJSON_TYPE, async (request: FastifyRequest, stream: Readable) => {
    if (request.routeOptions.config.route?.consumes) return stream
    const contentType = request.headers['content-type'] ?? ''
    throw refuse('unsupported_media_type', { contentType, takes: ['application/json'] })
  })
}

/** Compressed bodies are taken by few routes: read as they are, they would be told to be no JSON. */
function encodingProblem({ headers, routeOptions }: FastifyRequest): Refusal | undefined {
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? ''
  if (encoding === '' || encoding === 'identity') return undefined
  const { consumes = [], gzip = false } = routeOptions.config?.route ?? {}
  if (encoding === 'gzip' && gzip) return undefined
  const contentType = `${headers['content-type'] ?? 'a body'} encoded as ${cutText(encoding, ENCODING_LENGTH_MAX)}`
  return refuse('unsupported_media_type', { contentType, takes: ['application/json', ...consumes] })
}

function readJson(request: FastifyRequest, bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined
  const { value, suspect } = parseJson(bytes, placesOf(request.routeOptions.config.route?.body))
  request.bodyBytes = bytes.length
  if (!suspect) return value
  if (request.routeOptions.config.route?.itemwise) {
    request.bodySuspect = true
    return value
  }
  const fields = findFlaws(value)
  if (fields.length > 0) throw refuse('invalid', { fields })
  return value
}

/** A line that could be read, or what is wrong with it. `line` counts from 1, blank lines included. */
export type Line = { line: number; value: unknown; problem?: never } | { line: number; value?: never; problem: Refusal }

export type LineBounds = { lineBytesMax: number; linesMax: number; places?: Places | undefined }

/**
 * The values of lines of JSON as they arrive. A bad line is one bad item and never the end; a line that is too long is
 * skipped without being held. Only after `linesMax` lines the reading stops, and the last item says so.
 */
export async function* readNdjson(stream: AsyncIterable<Buffer>, bounds: LineBounds): AsyncGenerator<Line> {
  let line = 0
  for await (const bytes of splitLines(stream, bounds.lineBytesMax)) {
    line++
    if (line > bounds.linesMax) {
      yield { line, problem: refuseField('lines', `must not be more than ${bounds.linesMax} in one request`) }
      return
    }
    if (bytes === 'too_long') {
      yield { line, problem: refuse('too_large', { what: `Line ${line}`, bytesMax: bounds.lineBytesMax }) }
    } else if (!isBlank(bytes)) {
      yield readLine(bytes, line, bounds.places)
    }
  }
}

function readLine(bytes: Buffer, line: number, places: Places | undefined): Line {
  try {
    const { value, suspect } = parseJson(bytes, places, `Line ${line}`)
    const fields = suspect ? findFlaws(value) : []
    return fields.length > 0 ? { line, problem: refuse('invalid', { fields }) } : { line, value }
  } catch (error) {
    if (error instanceof Refusal) return { line, problem: error }
    throw error
  }
}

const NEWLINE = 0x0a

async function* splitLines(stream: AsyncIterable<Buffer>, lineBytesMax: number): AsyncGenerator<Buffer | 'too_long'> {
  let parts: Buffer[] = []
  let partsBytes = 0
  const add = (part: Buffer) => {
    partsBytes += part.length
    // What is already too long need not be kept; the count alone says so when the line ends.
    if (partsBytes <= lineBytesMax) parts.push(part)
    else parts = []
  }
  const take = (): Buffer | 'too_long' => {
    const whole = partsBytes > lineBytesMax ? 'too_long' : parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    parts = []
    partsBytes = 0
    return whole
  }
  for await (const chunk of stream) {
    let from = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      add(chunk.subarray(from, end))
      yield take()
      from = end + 1
    }
    if (from < chunk.length) add(chunk.subarray(from))
  }
  if (partsBytes > 0) yield take()
}

// Space, tab and carriage return.
const isBlank = (bytes: Buffer): boolean => bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d)
