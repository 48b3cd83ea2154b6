// OpenTelemetry, behind two verbs: begin and end a span of a request. Endpoint, headers, sampler and batches are read from
// the standard environment variables by the packages themselves. A receiver that is away costs spans, never a request.
import type { IncomingHttpHeaders } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { context, propagation, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'

/** What a span is named after: never a value that a client chose, but for the path. */
export interface SpanFacts {
  method: string
  /** The pattern of the matched route. */
  route: string | undefined
  path: string
}

export interface RequestSpan {
  /** Fields that name this span as the parent (W3C Trace Context). */
  readonly outgoing: Readonly<Record<string, string>>
  /** @param statusCode undefined when the client got none */
  end(statusCode: number | undefined): void
}

export interface Spans {
  begin(headers: IncomingHttpHeaders, facts: SpanFacts): RequestSpan
  /** Sends what has ended, if it can be done at once. Never rejects. */
  flush(): Promise<void>
}

/** A receiver that is away must not hold up the end of the gateway. */
const maxFlushMs = 500

// One for the process: its global registrations can be made once only.
let opened: Spans | undefined

/** The spans of this process. @param service said of it where the environment says nothing */
export async function openSpans(service: { serviceName: string; version: string }): Promise<Spans> {
  opened ??= makeSpans(service)
  return opened
}

function makeSpans({ serviceName, version }: { serviceName: string; version: string }): Spans {
  const resource = defaultResource()
    .merge(resourceFromAttributes({ 'service.name': serviceName, 'service.version': version }))
    .merge(detectResources({ detectors: [envDetector] }))
  const provider = new NodeTracerProvider({
    resource,
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  })
  provider.register()
  const tracer = trace.getTracer(serviceName, version)
  return {
    begin: (headers, facts) => beginSpan(tracer, headers, facts),
    flush: () =>
      Promise.race([provider.forceFlush().catch(() => undefined), delay(maxFlushMs, undefined, { ref: false })]),
  }
}

function beginSpan(tracer: Tracer, headers: IncomingHttpHeaders, { method, route, path }: SpanFacts): RequestSpan {
  const parent = propagation.extract(context.active(), headers)
  const attributes = {
    'http.request.method': method,
    'url.path': path,
    ...(route !== undefined && { 'http.route': route }),
  }
  const name = route === undefined ? method : `${method} ${route}`
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent)
  const outgoing: Record<string, string> = {}
  propagation.inject(trace.setSpan(parent, span), outgoing)
  return { outgoing, end: (statusCode) => endSpan(span, statusCode) }
}

function endSpan(span: Span, statusCode: number | undefined): void {
  if (statusCode !== undefined) span.setAttribute('http.response.status_code', statusCode)
  // OpenTelemetry's HTTP conventions: what a client did wrong is no error of a server.
  if (statusCode === undefined || statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
  span.end()
}
