// OpenTelemetry, behind two verbs: begin and end a span of a request. Endpoint, headers, sampler and batches are read from
// the standard environment variables by the packages themselves. A receiver that is away costs spans, never a request.
import type { IncomingHttpHeaders } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type Context,
  context,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import { replaceFields } from './parent-fields.ts'

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
  /**
   * Begins the span of the request to a service, which becomes the service's parent. It ends with this one.
   * @param fields of that request, names and values in turn; the parent stands in them afterwards
   * @param call read at the end: where it was sent and what came of it
   */
  beginCall(fields: string[], call: ServiceCall): void
  /** @param statusCode undefined when the client got none */
  end(statusCode: number | undefined): void
}

/** A request to a service. */
export interface ServiceCall {
  readonly instance: { readonly origin: string }
  /** Of the service's response; 0 for none. */
  readonly statusCode: number
  readonly failure: { readonly code: string } | undefined
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
  const inner = trace.setSpan(parent, span)
  let called: { span: Span; call: ServiceCall } | undefined
  return {
    outgoing: outgoingOf(inner),
    beginCall: (fields, call) => {
      const attributes = { 'http.request.method': method, 'url.path': path }
      const ofCall = tracer.startSpan(method, { kind: SpanKind.CLIENT, attributes }, inner)
      called = { span: ofCall, call }
      replaceFields(fields, outgoingOf(trace.setSpan(parent, ofCall)))
    },
    end: (statusCode) => {
      if (called !== undefined) endCall(called.span, called.call)
      endSpan(span, statusCode, called?.call.failure?.code)
    },
  }
}

function outgoingOf(parent: Context): Record<string, string> {
  const outgoing: Record<string, string> = {}
  propagation.inject(parent, outgoing)
  return outgoing
}

// https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client
function endCall(span: Span, { instance, statusCode, failure }: ServiceCall): void {
  const { hostname, pathname, port, protocol } = new URL(instance.origin)
  const isSocket = protocol === 'unix:'
  span.setAttribute('server.address', isSocket ? pathname : hostname.replace(/^\[|\]$/g, ''))
  if (!isSocket) span.setAttribute('server.port', Number(port || (protocol === 'https:' ? 443 : 80)))
  if (statusCode > 0) span.setAttribute('http.response.status_code', statusCode)
  const status = statusCode === 0 ? 'left' : statusCode >= 400 ? String(statusCode) : undefined
  const error = failure?.code ?? status
  if (error !== undefined) span.setAttribute('error.type', error).setStatus({ code: SpanStatusCode.ERROR })
  span.end()
}

function endSpan(span: Span, statusCode: number | undefined, failure: string | undefined): void {
  if (statusCode !== undefined) span.setAttribute('http.response.status_code', statusCode)
  // OpenTelemetry's HTTP conventions: what a client did wrong is no error of a server.
  const status = statusCode === undefined ? 'left' : statusCode >= 500 ? String(statusCode) : undefined
  const error = failure ?? status
  if (error !== undefined) span.setAttribute('error.type', error).setStatus({ code: SpanStatusCode.ERROR })
  span.end()
}
