// A program that is instrumented with OpenTelemetry, and spans written by hand.
import type { Span, Tracer } from '@opentelemetry/api'
import { context, trace } from '@opentelemetry/api'
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import { onTestFinished } from 'vitest'
import { type Call, KEY, type Reply } from '#test/support/http-yard.ts'

export const TRACES = '/v1/otlp/v1/traces'

export type Instrumented = {
  tracer: Tracer
  /** A span around what `work` does. */
  span: <T>(name: string, attributes: Record<string, string | number>, work?: (span: Span) => T) => T
  /** Exports what has ended. */
  flush: () => Promise<void>
}

type Settings = {
  encoding?: 'protobuf' | 'json'
  compressed?: boolean
  resource?: Record<string, string>
  key?: string
}

/** The SDK and an exporter, set up as their documentation says. */
export function instrument(
  address: string,
  { encoding = 'protobuf', compressed = false, resource = { 'service.name': 'shop-agent' }, key = KEY }: Settings = {},
): Instrumented {
  const Exporter = encoding === 'json' ? JsonExporter : ProtobufExporter
  const exporter = new Exporter({
    url: address + TRACES,
    headers: { authorization: `Bearer ${key}` },
    ...(compressed && { compression: 'gzip' as never }),
  })
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes(resource),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  })
  onTestFinished(() => provider.shutdown())
  const tracer = provider.getTracer('test')
  let around = context.active()
  return {
    tracer,
    span(name, attributes, work) {
      const span = tracer.startSpan(name, { attributes }, around)
      const before = around
      around = trace.setSpan(around, span)
      try {
        return work?.(span) as never
      } finally {
        around = before
        span.end()
      }
    },
    flush: () => provider.forceFlush(),
  }
}

type Value = string | number | boolean | null | Value[] | { [name: string]: Value }
export type WrittenSpan = {
  traceId: string
  spanId: string
  parentSpanId?: string
  name?: string
  /** In milliseconds after a moment of the past; no end: the span is under way. */
  start?: number
  end?: number | null
  error?: string
  attributes?: Record<string, Value>
}

/** A past day: spans are never told of when they happen. */
const ORIGIN_MS = Date.parse('2026-03-01T12:00:00Z')
const nanos = (ms: number): string => `${BigInt(ORIGIN_MS + ms) * 1_000_000n}`

const anyValue = (value: Value): object => {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'number') return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value }
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } }
  return { kvlistValue: { values: keyValues(value ?? {}) } }
}
const keyValues = (of: Record<string, Value>): object[] =>
  Object.entries(of).map(([key, value]) => ({ key, value: anyValue(value) }))

/** The JSON of an export request. */
export const requestOf = (spans: readonly WrittenSpan[], resource: Record<string, Value> = {}): object => ({
  resourceSpans: [
    {
      resource: { attributes: keyValues(resource) },
      scopeSpans: [
        {
          scope: { name: 'test' },
          spans: spans.map(({ start = 0, end = 10, error, attributes = {}, name = 'span', ...ids }) => ({
            ...ids,
            name,
            kind: 1,
            startTimeUnixNano: nanos(start),
            ...(end !== null && { endTimeUnixNano: nanos(end) }),
            attributes: keyValues(attributes),
            status: error === undefined ? {} : { code: 2, message: error },
          })),
        },
      ],
    },
  ],
})

export const exportSpans = (
  call: Call,
  spans: readonly WrittenSpan[],
  resource?: Record<string, Value>,
): Promise<Reply> => call('POST', TRACES, requestOf(spans, resource))

let made = 0
/** Ids that no other trace of this process has. */
export const newTraceId = (): string => `${process.pid}${++made}`.padStart(32, 'a').slice(-32).replace(/^./, 'f')
export const spanId = (number: number): string => number.toString(16).padStart(16, '0')
