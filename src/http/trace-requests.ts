// A span for each request, in its caller's trace. Only when an exporter is set up: see tracing.ts.
import {
  context,
  defaultTextMapGetter,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import type { FastifyInstance } from 'fastify'

declare module 'fastify' {
  interface FastifyRequest {
    span: Span | null
  }
}

export function traceRequests(app: FastifyInstance): void {
  app.decorateRequest('span', null)
  app.addHook('onRequest', async (request) => {
    const parent = propagation.extract(context.active(), request.headers, defaultTextMapGetter)
    const path = request.routeOptions.config.route?.path ?? 'unknown'
    request.span = trace.getTracer('runyard').startSpan(
      `${request.method} ${path}`,
      {
        kind: SpanKind.SERVER,
        attributes: { 'http.request.method': request.method, 'http.route': path, 'runyard.request_id': request.id },
      },
      parent,
    )
  })
  app.addHook('onResponse', async (request, reply) => {
    const { span } = request
    if (!span) return
    span.setAttribute('http.response.status_code', reply.statusCode)
    if (reply.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end()
  })
}
