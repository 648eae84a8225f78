// The messages of OTLP that are read and written here, as data for protobufjs: the fields of opentelemetry-proto 1.x by
// their numbers. Unknown fields are skipped, so newer senders are understood as far as they say the same.
import protobuf from 'protobufjs/light.js'

const field = (type: string, id: number) => ({ type, id })
const list = (type: string, id: number) => ({ rule: 'repeated', type, id })

const { nested } = {
  nested: {
    ExportTraceServiceRequest: { fields: { resourceSpans: list('ResourceSpans', 1) } },
    ExportTracePartialSuccess: { fields: { rejectedSpans: field('int64', 1), errorMessage: field('string', 2) } },
    ExportTraceServiceResponse: { fields: { partialSuccess: field('ExportTracePartialSuccess', 1) } },
    /** google.rpc.Status: how a refused request is answered. */
    RpcStatus: { fields: { code: field('int32', 1), message: field('string', 2) } },
    ResourceSpans: { fields: { resource: field('Resource', 1), scopeSpans: list('ScopeSpans', 2) } },
    Resource: { fields: { attributes: list('KeyValue', 1) } },
    ScopeSpans: { fields: { spans: list('Span', 2) } },
    Span: {
      fields: {
        traceId: field('bytes', 1),
        spanId: field('bytes', 2),
        parentSpanId: field('bytes', 4),
        name: field('string', 5),
        startTimeUnixNano: field('fixed64', 7),
        endTimeUnixNano: field('fixed64', 8),
        attributes: list('KeyValue', 9),
        droppedAttributesCount: field('uint32', 10),
        events: list('SpanEvent', 11),
        status: field('SpanStatus', 15),
      },
    },
    SpanEvent: { fields: { name: field('string', 2), attributes: list('KeyValue', 3) } },
    SpanStatus: { fields: { message: field('string', 2), code: field('int32', 3) } },
    KeyValue: { fields: { key: field('string', 1), value: field('AnyValue', 2) } },
    AnyValue: {
      fields: {
        stringValue: field('string', 1),
        boolValue: field('bool', 2),
        intValue: field('int64', 3),
        doubleValue: field('double', 4),
        arrayValue: field('ArrayValue', 5),
        kvlistValue: field('KeyValueList', 6),
        bytesValue: field('bytes', 7),
      },
    },
    ArrayValue: { fields: { values: list('AnyValue', 1) } },
    KeyValueList: { fields: { values: list('KeyValue', 1) } },
  },
}
const root = protobuf.Root.fromJSON({ nested })

/** Throws on anything that is not such a message. */
export const decodeRequest = (bytes: Uint8Array): object => root.lookupType('ExportTraceServiceRequest').decode(bytes)

/** What the JSON of these replies says, as protobuf. */
export const encodeReply = (name: 'ExportTraceServiceResponse' | 'RpcStatus', reply: object): Uint8Array => {
  const type = root.lookupType(name)
  return type.encode(type.fromObject(reply)).finish()
}
