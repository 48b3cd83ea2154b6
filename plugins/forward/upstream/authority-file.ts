// The file of authorities that a route trusts for its service (`tls.caFile`), checked before anything connects by it.
import { X509Certificate } from 'node:crypto'
import { readBoundedFile, UnusableFile } from '../../files/bounded-file.ts'

/** A file of every public authority is a fifth of it. */
export const authorityLimitBytes = 1024 * 1024

/**
 * What keeps a file of authorities from being used.
 * @param caFile absolute path of a PEM file
 * @param upstream the instances it is for
 * @returns a sentence, or undefined when nothing does
 */
export function violationOfTls(caFile: string, upstream: string | string[]): string | undefined {
  if ([upstream].flat().some((text) => !text.startsWith('https:'))) return 'Only https upstreams have certificates.'
  try {
    const pem = readBoundedFile(caFile, authorityLimitBytes).toString()
    for (const one of pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? ['']) {
      new X509Certificate(one)
    }
    return undefined
  } catch (error) {
    if (error instanceof UnusableFile) return `The file ${caFile} ${error.message}.`
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    return `The file ${caFile} ${isAbsent ? 'is not there' : 'holds no certificate'}.`
  }
}
