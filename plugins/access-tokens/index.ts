// The plugin `access-tokens`: signs and verifies access tokens through @fastify/jwt, with keys from the store.
// It decorates `app.accessTokens`; `authenticate` and the routes that give tokens use it. Keys never leave it in clear.
import fastifyJwt from '@fastify/jwt'
import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Secret } from '../keys/secrets.ts'
import { type AccessTokenOptions, AccessTokens } from './access-token.ts'
import { Assertions } from './assertion.ts'
import type { KeyMaterial, SigningAlgorithm } from './key-material.ts'
import {
  reloadEverySeconds,
  type Signer,
  SigningKeys,
  type SigningKeysOptions,
  type TokenType,
} from './signing-keys.ts'

declare module 'fastify' {
  interface FastifyInstance {
    accessTokens: AccessTokens
    /** What services are told about a caller under a signature; see forward's `assertion`. */
    assertions: Assertions
  }
}

export type { AssertionFor } from './assertion.ts'
export type { AccessClaims } from './claims.ts'
export { adminAudience, isFor, toleratedClockMs } from './claims.ts'
export { jwksMaxAgeSeconds } from './signing-keys.ts'

export interface AccessTokensPluginOptions extends Omit<AccessTokenOptions, 'clock' | 'verifiedTokensMax'> {
  /** They seal the signing keys; newest first. */
  secrets: readonly Secret[]
  /** ES256, EdDSA, RS256, PS256 or HS256, for new signing keys. */
  alg: SigningAlgorithm
  /** How often there is a new signing key. */
  rotateEverySeconds: number
  /** Most verified tokens remembered at a time, about 2 KB each; 10,000 when absent. */
  verifiedTokensMax?: number
  /** A clock, ms; this node's when absent. */
  clock?: () => number
}

const defaults = { verifiedTokensMax: 10_000, clock: Date.now }

async function accessTokens(app: FastifyInstance, given: AccessTokensPluginOptions): Promise<void> {
  const options = { ...defaults, ...given }
  const keys = await SigningKeys.open(keysOptions(app, options))
  app.decorate('accessTokens', new AccessTokens(keys, options))
  app.decorate('assertions', new Assertions(keys, options.clock))
  const reloading = setInterval(() => void keys.refresh(), reloadEverySeconds * 1000).unref()
  const stopHearing = app.store.condition.onNews(({ kind }) => void (kind === 'keys_changed' && keys.refresh()))
  app.addHook('onClose', async () => {
    clearInterval(reloading)
    stopHearing()
    await keys.close()
  })
}

function keysOptions(app: FastifyInstance, options: AccessTokensPluginOptions & typeof defaults): SigningKeysOptions {
  return {
    store: app.store.keys,
    secrets: options.secrets,
    alg: options.alg,
    rotateEverySeconds: options.rotateEverySeconds,
    keepForSeconds: options.ttlSeconds + options.clockToleranceSeconds,
    clock: options.clock,
    openSigner,
    onMade: ({ kid, alg, activeFrom }) =>
      app.audit.record(undefined, {
        reason: 'keys_rotated',
        granted: true,
        detail: `${alg} key ${kid} signs from ${new Date(activeFrom).toISOString()}`,
      }),
    onFailure: (err) => app.outages.note('signing_keys', { err }),
  }
}

/**
 * Makes the signer of one key: a Fastify instance of its own, never listening, that carries @fastify/jwt with that key.
 * A key given to @fastify/jwt per call makes it build a new signer or verifier each time, and the app that runs cannot take
 * another registration when a key arrives; an instance a key has both built once, and its one algorithm cannot be changed.
 */
async function openSigner(material: KeyMaterial): Promise<Signer> {
  const access = await openJwt(material, 'at+jwt')
  const assertion = await openJwt(material, 'assertion+jwt')
  return {
    sign: (claims, typ = 'at+jwt') => (typ === 'at+jwt' ? access : assertion).jwt.sign(claims),
    verify: (token) => access.jwt.verify<object>(token),
    close: async () => {
      await access.close()
      await assertion.close()
    },
  }
}

async function openJwt({ kid, alg, secret }: KeyMaterial, typ: TokenType): Promise<FastifyInstance> {
  const instance = Fastify({ logger: false })
  await instance.register(fastifyJwt, {
    secret,
    sign: { algorithm: alg, kid, header: { alg, typ } },
    // Time is checked in `claims.ts` by the app's clock, and what was verified is remembered in `access-token.ts`.
    verify: { algorithms: [alg], cache: false, ignoreExpiration: true, ignoreNotBefore: true },
  })
  await instance.ready()
  return instance
}

/** Fastify plugin: decorates `app.accessTokens`. */
export default fp(accessTokens, {
  name: 'access-tokens',
  fastify: '5.x',
  dependencies: ['session-store', 'audit'],
  decorators: { fastify: ['store', 'audit'] },
})
