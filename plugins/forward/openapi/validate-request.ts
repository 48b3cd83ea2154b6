// Validation of a request against its operation of a document, and its forwarding: admitted, its parameters checked, its body
// read and checked, and only then sent. Nothing is forwarded that was not checked, and what is forwarded is byte for byte
// what came.
import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { readBody } from '../../body-parsers/memory.ts'
import { problem } from '../../errors/index.ts'
import { nominatedBy } from '../headers/names.ts'
import type { DocumentedOperation } from './compile.ts'
import type { ReceivedRequest } from './operation.ts'

/**
 * Checks what stands in front of the body.
 * @throws Problem naming every parameter that is wrong
 */
export function checkParameters({ operation }: DocumentedOperation, request: FastifyRequest): void {
  operation.check(received(request))
}

/**
 * Reads and checks the body where the operation checks it, and sends the request.
 * @param send is given the body where it was read
 */
export function sendValidated(
  { operation }: DocumentedOperation,
  request: FastifyRequest,
  reply: FastifyReply,
  send: (body?: Buffer) => void,
): void {
  const task = operation.bodyTask(received(request))
  if (task.check === 'nothing') {
    send()
    return
  }
  // The time a body may take is the server's limit for a whole request, as for the gateway's own routes.
  if (request.headers.expect !== undefined) reply.raw.writeContinue()
  readBody(request, request.raw, operation.parts.bodyLimitBytes)
    .then((body) => {
      const fault = task.faultOf(body)
      if (fault === undefined) return send(body)
      throw problem('invalid_request', {
        detail: 'openapi_body',
        errors: [{ in: 'body', path: fault.path === '' ? '/' : fault.path, message: fault.message }],
      })
    })
    .catch((error: unknown) => void reply.send(error))
}

/** Whether a message says that it has a body (RFC 9112 section 6.3). */
export function hasBody({ headers }: Pick<FastifyRequest, 'headers'>): boolean {
  const length = headers['content-length']
  return headers['transfer-encoding'] !== undefined || (length !== undefined && Number(length) > 0)
}

function received(request: FastifyRequest): ReceivedRequest {
  const { raw, params } = request
  return {
    target: raw.url ?? '',
    rawHeaders: sentFields(raw),
    // Boundary: the router gives texts, and only for the names in the pattern of the operation.
    params: params as Record<string, string>,
    hasBody: hasBody(request),
  }
}

// A field that the client calls one of the connection does not reach the service, so for the document it is not there.
function sentFields({ rawHeaders, headers }: IncomingMessage): readonly string[] {
  const nominated = nominatedBy(headers.connection)
  if (nominated.size === 0) return rawHeaders
  const isSent = (_text: string, i: number) => !nominated.has(rawHeaders[i - (i % 2)]?.toLowerCase() ?? '')
  return rawHeaders.filter(isSent)
}
