// The files of a route's `tls`: authorities that it trusts for its service, and the certificate that the gateway shows there, with
// its key. They are checked before anything connects by them; no text of a key is ever told.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readBoundedFile, UnusableFile } from '../../files/bounded-file.ts'
import type { TlsFiles } from './tls-schema.ts'

/** A file of every public authority is a fifth of it. */
const limitBytes = 1024 * 1024

/** What connections to a service are encrypted with; the texts are PEM. */
export interface TlsConfig {
  /** Authorities to trust in the place of the public ones. */
  ca: string | undefined
  serverName: string | undefined
  /** What the gateway shows of itself, and its key. */
  cert: string | undefined
  key: string | undefined
}

/** Reads the files. @throws what `fs` throws; `violationOfTls` has found nothing before */
export function readTls({ caFile, certFile, keyFile, serverName }: TlsFiles): TlsConfig {
  const read = (path: string | undefined) => (path === undefined ? undefined : textOf(path))
  return { ca: read(caFile), cert: read(certFile), key: read(keyFile), serverName }
}

/**
 * What keeps the files from being used.
 * @param tls with absolute paths
 * @param upstream the instances it is for
 * @returns a sentence, or undefined when nothing does
 */
export function violationOfTls(
  { caFile, certFile, keyFile }: TlsFiles,
  upstream: string | string[],
): string | undefined {
  if ([upstream].flat().some((text) => !text.startsWith('https:'))) return 'Only https upstreams have certificates.'
  if ((certFile === undefined) !== (keyFile === undefined)) return 'certFile and keyFile go together: name both.'
  const ca = caFile === undefined ? undefined : violationIn(caFile, 'holds no certificate', checkCertificates)
  if (ca !== undefined || certFile === undefined || keyFile === undefined) return ca
  return (
    violationIn(certFile, 'holds no certificate', checkCertificates) ??
    violationIn(keyFile, 'holds no private key without a passphrase', createPrivateKey) ??
    (isPair(certFile, keyFile) ? undefined : `The key in ${keyFile} is not that of the certificate in ${certFile}.`)
  )
}

function violationIn(path: string, otherwise: string, check: (text: string) => unknown): string | undefined {
  try {
    check(textOf(path))
    return undefined
  } catch (error) {
    if (error instanceof UnusableFile) return `The file ${path} ${error.message}.`
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    return `The file ${path} ${isAbsent ? 'is not there' : otherwise}.`
  }
}

function checkCertificates(pem: string): void {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? ['']
  for (const one of certificates) new X509Certificate(one)
}

// The gateway's own stands first; what follows leads to its authority.
function isPair(certFile: string, keyFile: string): boolean {
  return new X509Certificate(textOf(certFile)).checkPrivateKey(createPrivateKey(textOf(keyFile)))
}

function textOf(path: string): string {
  return readBoundedFile(path, limitBytes).toString()
}
