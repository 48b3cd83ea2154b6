// A document as it was parsed: its files by their URLs, and the error for one that cannot be used.

/** A document cannot be had or used; the message is a sentence for whoever keeps the config or the document. */
export class DocumentError extends Error {}

/** A document and what its references name, parsed. */
export interface SourceDocument {
  /** URL of the document itself. */
  root: string
  /** By URL, without a fragment. */
  files: ReadonlyMap<string, unknown>
}
