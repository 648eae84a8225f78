// Traces of OpenTelemetry, as its exporters send them over HTTP. Paths, fields and replies are those of OTLP.
import { Type } from 'typebox'
import { optional } from './common.ts'
import { route } from './route.ts'

export const PROTOBUF = 'application/x-protobuf'

export const exportTraces = route({
  method: 'POST',
  path: '/v1/otlp/v1/traces',
  needs: 'events:write',
  tag: 'OpenTelemetry',
  name: 'exportTraces',
  // Spans have ids: they repeat safely by themselves.
  keepsReply: false,
  summary: 'Export spans over OTLP: spans of agents, models and tools become runs with their calls, usage and cost.',
  description:
    'Set OTEL_EXPORTER_OTLP_ENDPOINT to the address of this server followed by /v1/otlp. Takes an ' +
    'ExportTraceServiceRequest as protobuf or JSON of up to 16 MiB, also once it is decompressed, and answers in the ' +
    'encoding of the request, errors as a google.rpc.Status. Up to 10,000 spans are taken at once; `partialSuccess` ' +
    'says how many were rejected, and why. A span that is sent again changes nothing.',
  // Of no type: receivers ignore fields that they do not know.
  body: Type.Unsafe<object>({
    description: 'An ExportTraceServiceRequest: an object with `resourceSpans`, as OTLP defines them.',
  }),
  bodyAs: 'traces',
  bodyBytesMax: 16 * 1024 * 1024,
  consumes: [PROTOBUF],
  gzip: true,
  replies: {
    200: Type.Object(
      {
        partialSuccess: optional(
          Type.Object(
            {
              rejectedSpans: Type.String({ description: 'Number of spans that were rejected, in decimal digits.' }),
              errorMessage: Type.String({ description: 'Why, with the number of spans for each reason.' }),
            },
            { description: 'Only there when spans were rejected: sending them again would not help.' },
          ),
        ),
      },
      { title: 'ExportTraceServiceResponse' },
    ),
  },
})
