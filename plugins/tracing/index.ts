// The plugin `tracing`: one OpenTelemetry span a request, exported by OTLP, when the standard environment variables ask for it;
// otherwise no package is loaded and no hook is added: they are optional. A `traceparent` that a client sends is passed on in either case; with
// tracing the service's parent is our span.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import manifest from '../../package.json' with { type: 'json' }
import { RequestEnd } from '../access-log/request-end.ts'
import { replaceFields } from './parent-fields.ts'
import type { RequestSpan, Spans } from './spans.ts'

declare module 'fastify' {
  interface FastifyRequest {
    span: RequestSpan | null
  }
}

const packages = Object.keys(manifest.peerDependenciesMeta)
  .map((name) => `${name}@${new Map(Object.entries<string>(manifest.peerDependencies)).get(name)}`)
  .join(' ')

export interface TracingOptions {
  /** Said of this service where OTEL_SERVICE_NAME says nothing. */
  serviceName: string
  /** The version of this service in its spans. */
  version: string
}

async function tracing(app: FastifyInstance, options: TracingOptions): Promise<void> {
  if (!isAskedFor(process.env)) return
  const spans = await open(options)
  app.decorateRequest('span', null)
  app.addHook('onRequest', (request, reply, done) => {
    const span = begin(spans, request)
    // What is forwarded is made of these: the service is to see our span as its parent.
    replaceFields(request.raw.rawHeaders, span.outgoing)
    request.span = span
    // A tunnel's response ends by itself; see websocket/upgrade.ts.
    new RequestEnd(reply.raw, (statusCode) => span.end(statusCode))
    done()
  })
  app.addHook('onClose', () => spans.flush())
}

/** Tracing is asked for, and the packages that it needs are not installed: they are optional. */
export class TracingUnavailable extends Error {
  constructor(cause: Error) {
    const missing = /'(@opentelemetry\/[^']+)'/.exec(cause.message)?.[1] ?? '@opentelemetry'
    super(
      `tracing is asked for (OTEL_EXPORTER_OTLP_ENDPOINT), but ${missing} is not installed: run \`npm install ${packages}\`, ` +
        'or set OTEL_SDK_DISABLED=true',
      { cause },
    )
    this.name = 'TracingUnavailable'
  }
}

async function open(options: TracingOptions): Promise<Spans> {
  try {
    const { openSpans } = await import('./spans.ts')
    return await openSpans(options)
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND'
    throw isMissing ? new TracingUnavailable(error) : error
  }
}

// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
function isAskedFor(env: NodeJS.ProcessEnv): boolean {
  if (env['OTEL_SDK_DISABLED'] === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none') return false
  return Boolean(env['OTEL_EXPORTER_OTLP_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'])
}

function begin(spans: Spans, request: FastifyRequest): RequestSpan {
  const { method, routeOptions, raw } = request
  const path = (raw.url ?? '').split('?', 1)[0] ?? ''
  return spans.begin(request.headers, { method, route: routeOptions.url, path })
}

/** Fastify plugin: traces requests, where the environment says where to. */
export default fp(tracing, { name: 'tracing', fastify: '5.x' })
