// Certificates for tests, made anew by openssl: an authority of the test's own, and what it signs. Nothing is kept.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { temporaryFolder } from '../temporary-folder.ts'

export interface Authority {
  /** Its certificate, PEM. */
  caFile: string
  /** Signs a certificate for these subject alternative names, such as `DNS:a` or `IP:127.0.0.1`. */
  certify(...names: string[]): { key: Buffer; cert: Buffer }
}

/** Makes an authority. @throws Error when openssl is not on PATH */
export function makeAuthority(t: Test): Authority {
  const folder = temporaryFolder(t)
  const at = (name: string) => join(folder, name)
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl('req', '-x509', ...newKey, '-keyout', at('ca.key'), '-out', at('ca.pem'), '-days', '1', '-subj', '/CN=test')
  let made = 0
  return {
    caFile: at('ca.pem'),
    certify: (...names) => {
      made += 1
      const key = at(`${made}.key`)
      const request = at(`${made}.csr`)
      const extensions = at(`${made}.ext`)
      const cert = at(`${made}.pem`)
      writeFileSync(extensions, `subjectAltName=${names.join(',')}\n`)
      openssl('req', ...newKey, '-keyout', key, '-out', request, '-subj', '/CN=service')
      const by = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial']
      openssl('x509', '-req', '-in', request, ...by, '-out', cert, '-days', '1', '-extfile', extensions)
      return { key: readFileSync(key), cert: readFileSync(cert) }
    },
  }
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' })
}
