// The door of this folder: reading a document, making it ready for a route, and writing its part of the gateway's own
// document. No file of the folder imports Fastify.
import type { CompiledRoute } from '../route/compile.ts'
import { type CompiledDocument, compileDocument } from './compile.ts'
import type { DocumentLimits, SourceDocument } from './document/source.ts'

export type { CompiledDocument, DocumentedOperation } from './compile.ts'
export { trustAt } from './document/download.ts'
export { DocumentError, documentLimits, isDocumentUrl, readDocument, type SourceDocument } from './document/source.ts'
export { type PublishedPart, publish } from './publish.ts'
export type { DocumentLimits }

/**
 * Makes a document ready for a route.
 * @param route one that has a document
 * @throws DocumentError
 */
export function describeRoute(
  { prefix, replacement, policies, openapi }: CompiledRoute,
  source: SourceDocument,
): Promise<CompiledDocument> {
  return compileDocument(source, {
    mapping: { prefix, replacement },
    policies,
    policySource: openapi?.policies ?? 'config',
    passesUndeclaredQuery: openapi?.undeclaredQuery === 'pass',
    bodyLimitBytes: openapi?.bodyLimitBytes ?? 0,
    base: openapi?.base,
    commas: openapi?.commas ?? 'either',
  })
}
