// OpenTelemetry traces over OTLP, when OTEL_EXPORTER_OTLP_ENDPOINT is set. The exporter reads the OTEL_* variables
// itself; nothing of it is loaded without them.

/** Timeout of the final export; a stopping node is not delayed by its collector. */
const FLUSH_MS_MAX = 3_000

type Tracing = { service: string; node: string; warn: (line: string) => void }

/** Returns a function that flushes and stops it, which never fails: traces are not what a node is for. */
export async function startTracing({ service, node, warn }: Tracing): Promise<() => Promise<void>> {
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
  return async () => {
    const late = new Promise<string>((resolve) => {
      setTimeout(() => resolve(`the collector did not answer within ${FLUSH_MS_MAX} ms`), FLUSH_MS_MAX).unref()
    })
    const flushed = provider.shutdown().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    )
    const failure = await Promise.race([flushed, late])
    if (failure !== undefined) warn(`the last traces were not exported: ${failure}`)
  }
}
