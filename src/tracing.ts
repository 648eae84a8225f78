// OpenTelemetry traces over OTLP, when OTEL_EXPORTER_OTLP_ENDPOINT is set. The exporter reads the OTEL_* variables
// itself; nothing of it is loaded without them.

/** Returns what flushes and stops it. */
export async function startTracing({ service, node }: { service: string; node: string }): Promise<() => Promise<void>> {
  const [{ BatchSpanProcessor, NodeTracerProvider }, { OTLPTraceExporter }, { resourceFromAttributes }] =
    await Promise.all([
      import('@opentelemetry/sdk-trace-node'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
    ])
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.instance.id': node }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  })
  provider.register()
  return () => provider.shutdown()
}
