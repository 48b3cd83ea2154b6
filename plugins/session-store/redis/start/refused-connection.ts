// What keeps a connection from ever coming up, as the start hears it: a wrong password, an authority that nobody knows, TLS where
// there is none. Trying again would be of no use, so the start ends at once, with what to change. It shows no password.
import { connect } from 'node:net'
import { Cluster } from 'ioredis'
import type { RedisAddress, RedisNode, RedisTlsFiles } from '../connection/address.ts'
import type { RedisClient } from '../connection/client.ts'
import { connectSecurely, tlsOptions } from '../connection/tls.ts'

const wrongPassword =
  'Redis does not know this user with this password: correct them in REDIS_URL. There @ is written %40, / %2F, # %23, and % %25.'

const plainPort =
  'Redis does not speak TLS at this port: write its TLS port in REDIS_URL, or redis:// in place of rediss://.'

/** What is heard, and what to say. The texts are those of Redis, of Valkey and of OpenSSL; codes are Node's. */
const refusals: readonly (readonly [heard: RegExp, sentence: string])[] = [
  [/WRONGPASS|invalid password/i, wrongPassword],
  [/NOAUTH/, 'Redis demands a password: write it into REDIS_URL, as redis://user:password@… or redis://:password@…'],
  [
    /cluster support disabled/i,
    'This Redis is no Cluster: write redis:// or rediss:// in REDIS_URL, without +cluster.',
  ],
  [/wrong version number|packet length too long|unknown protocol/i, plainPort],
  [
    /ALERT_CERTIFICATE_REQUIRED|alert certificate required|alert handshake failure/i,
    'Redis demands a certificate of its clients: add ?cert=/path&key=/path to REDIS_URL.',
  ],
  [
    /ALERT_UNKNOWN_CA|alert unknown ca|alert bad certificate/i,
    'Redis does not take the certificate that ?cert= of REDIS_URL names: it must be signed by an authority that Redis knows.',
  ],
  [
    /ERR_TLS_CERT_ALTNAME_INVALID|does not match certificate/i,
    'The certificate of Redis is for another name than REDIS_URL has: write a name that it is for.',
  ],
  [/CERT_HAS_EXPIRED|certificate has expired/i, 'The certificate of Redis has expired: it must be renewed there.'],
  [
    /SELF_SIGNED_CERT|DEPTH_ZERO|UNABLE_TO_(?:GET_ISSUER_CERT|VERIFY)|self-signed certificate|unable to (?:get .*issuer|verify)/i,
    'The certificate of Redis is of an authority that is not known here: name its file in REDIS_URL, as ?ca=/path, or in NODE_EXTRA_CA_CERTS.',
  ],
]

// The sentence for an error of a connection; undefined for one that may pass. A node of a Cluster that has refused a password says
// no more than that it demands one.
function refusalIn(error: Error, hasPassword: boolean): string | undefined {
  for (let at: unknown = error; at instanceof Error; at = lastOf(at)) {
    const heard = `${'code' in at ? at.code : ''} ${at.message}`
    const found = refusals.find(([pattern]) => pattern.test(heard))
    if (found !== undefined) return hasPassword && heard.includes('NOAUTH') ? wrongPassword : found[1]
  }
  return undefined
}

// A Cluster tells of the last node that it asked.
function lastOf(error: Error): unknown {
  return 'lastNodeError' in error ? error.lastNodeError : error.cause
}

/**
 * Does something that needs a connection, and gives it up as soon as the server refuses for good.
 * @throws Error with what to change; what `act` throws
 */
export async function unlessRefused<T>(client: RedisClient, address: RedisAddress, act: () => Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const hear = (error: Error) => {
    const sentence = refusalIn(error, address.password !== undefined)
    if (sentence !== undefined) reject(new Error(sentence, { cause: new Error(error.message) }))
  }
  const events = client instanceof Cluster ? ['error', 'node error'] : ['error']
  for (const event of events) client.on(event, hear)
  const stop = new AbortController()
  if (address.tls) for (const node of nodesOf(address)) tryTls(node, address.tlsFiles, stop.signal, hear)
  try {
    return await Promise.race([act(), promise])
  } finally {
    stop.abort()
    for (const event of events) client.off(event, hear)
  }
}

function nodesOf(address: RedisAddress): readonly RedisNode[] {
  if (address.form === 'single') return [address.node]
  return address.form === 'cluster' ? address.nodes : address.sentinels
}

// ioredis keeps to itself why a node of a Cluster or a sentinel cannot be spoken to by TLS. A Redis that does not speak it waits
// for the end of a line, and says nothing; to PING, in clear, it says something. What speaks TLS sends an alert, which begins
// otherwise.
function tryTls(
  { host, port }: RedisNode,
  files: RedisTlsFiles | undefined,
  signal: AbortSignal,
  onError: (error: Error) => void,
): void {
  const secure = connectSecurely({ host, port }, tlsOptions(files))
  secure.on('error', onError)
  const plain = connect({ host, port }, () => plain.write('PING\r\n'))
  plain.on('error', () => undefined)
  plain.once('data', (heard) => {
    if (/^[+-]/.test(heard.toString('latin1'))) onError(new Error('wrong version number'))
    plain.destroy()
  })
  signal.addEventListener('abort', () => {
    plain.destroy()
    secure.destroy()
  })
}
