// The measuring of how soon every node refuses what one node has revoked: three gateway processes on one Redis, sessions
// ended through the first, access tokens shown to the other two until they are refused. The links of the other two run
// through proxies, which can be cut again and again.
import type { FastifyInstance } from 'fastify'
import { Agent, request } from 'undici'
import { adminAudience } from '../../../plugins/access-tokens/index.ts'
import { deriveSecrets } from '../../../plugins/keys/secrets.ts'
import { loadSubjectTagKey } from '../../../plugins/keys/subject-tag.ts'
import { newSid } from '../../../plugins/session-store/refresh-token.ts'
import { buildApp } from '../../../src/app.ts'
import { loadConfig } from '../../../src/config/index.ts'
import { openStore } from '../../../src/process/open-store.ts'
import { GatewayProcess } from '../../support/processes/gateway-process.ts'
import { type RedisServer, startRedis } from '../../support/redis/server.ts'
import { startProxy, type TcpProxy } from '../../support/tcp-proxy.ts'
import { startStreamingUpstream } from '../../support/upstream.ts'

/** What this needs of tap's `t`. */
interface Ending {
  teardown(close: () => Promise<void> | void): void
}

export interface PropagationRun {
  /** From the response of a revoke to the first refusal, one for each revoke and other node, ms, shortest first. */
  tookMs: number[]
  /** Not refused within `missedAfterMs`. */
  missed: number
  /** How often both links were cut meanwhile. */
  cuts: number
}

export interface MeasureOptions {
  revokes: number
  /** How often the links of the other nodes are cut; never when absent. */
  cutEveryMs?: number
}

const missedAfterMs = 5_000
const inFlight = 4
const secret = 'Zm9yIHRlc3RzIG9ubHksIDQ4IGJ5dGVzIG9mIG5vdGhpbmc'

/** Three gateways and a service behind them; ended with the test. */
export class PropagationScene {
  readonly redis: RedisServer
  readonly nodes: readonly GatewayProcess[]
  readonly #proxies: readonly TcpProxy[]
  /** Makes sessions and their access tokens, as a login would, without a password to hash. */
  readonly #issuer: Issuer
  readonly #agent = new Agent({ connections: 2 * inFlight, pipelining: 1 })

  private constructor(redis: RedisServer, nodes: GatewayProcess[], proxies: TcpProxy[], issuer: Issuer) {
    this.redis = redis
    this.nodes = nodes
    this.#proxies = proxies
    this.#issuer = issuer
  }

  static async start(t: Ending, config: string): Promise<PropagationScene> {
    const redis = await startRedis(t)
    const proxies = [await startProxy(t, redis.port), await startProxy(t, redis.port)]
    const issuer = await Issuer.start(t, redis.url)
    const urls = [redis.url, ...proxies.map(({ port }) => `redis://127.0.0.1:${port}`)]
    const nodes: GatewayProcess[] = []
    for (const REDIS_URL of urls)
      nodes.push(await GatewayProcess.start({ ...settings, REDIS_URL, CARDEA_CONFIG: config }))
    const scene = new PropagationScene(redis, nodes, proxies, issuer)
    t.teardown(async () => {
      await Promise.all(nodes.map((node) => node.stop()))
      await scene.#agent.close()
    })
    return scene
  }

  /** Ends `revokes` sessions at the first node, some at once, and asks the others until they refuse. */
  async measure({ revokes, cutEveryMs }: MeasureOptions): Promise<PropagationRun> {
    const admin = await this.#issuer.issue('root', ['admin'], adminAudience)
    const found: PropagationRun = { tookMs: [], missed: 0, cuts: 0 }
    const cutting = cutEveryMs === undefined ? undefined : setInterval(() => this.#cut(found), cutEveryMs)
    let left = revokes
    const work = async () => {
      while (left-- > 0) await this.#revokeOne(admin.token, found)
    }
    await Promise.all(Array.from({ length: inFlight }, work))
    clearInterval(cutting)
    found.tookMs.sort((a, b) => a - b)
    return found
  }

  #cut(found: PropagationRun): void {
    for (const proxy of this.#proxies) proxy.reset()
    found.cuts += 1
  }

  async #revokeOne(admin: string, found: PropagationRun): Promise<void> {
    const { sid, token } = await this.#issuer.issue('somebody', [])
    const [here, ...others] = this.nodes.map(({ url }) => url)
    for (const node of others) {
      const status = await this.#ask('GET', `${node}/svc/x`, token)
      if (status !== 200) throw new Error(`${status} before it was revoked`)
    }
    const responded = await this.#ask('DELETE', `${here}/admin/sessions/${sid}`, admin)
    const respondedAt = performance.now()
    if (responded !== 204) throw new Error(`the revoke was answered with ${responded}`)
    await Promise.all(others.map((node) => this.#untilRefused(node, token, respondedAt, found)))
  }

  async #untilRefused(node: string, token: string, respondedAt: number, found: PropagationRun): Promise<void> {
    while (performance.now() - respondedAt < missedAfterMs) {
      const status = await this.#ask('GET', `${node}/svc/x`, token)
      if (status === 401) {
        found.tookMs.push(performance.now() - respondedAt)
        return
      }
      if (status !== 200) throw new Error(`${status} while it was waited for`)
    }
    found.missed += 1
  }

  async #ask(method: 'GET' | 'DELETE', url: string, token: string): Promise<number> {
    const headers = { authorization: `Bearer ${token}` }
    const { statusCode, body } = await request(url, { method, headers, dispatcher: this.#agent })
    await body.dump()
    return statusCode
  }
}

/** A service to forward to. @returns the text of a config file with its route */
export async function startService(t: Ending): Promise<string> {
  const service = await startStreamingUpstream((message, response) => {
    message.resume()
    response.end('ok')
  })
  t.teardown(() => service.close())
  return JSON.stringify({ routes: [{ prefix: '/svc', upstream: service.url, policy: 'authenticated' }] })
}

/** Of every gateway here. */
export const settings = {
  CARDEA_SECRET: secret,
  CARDEA_ISSUER: 'https://gateway.test',
  CARDEA_ADMIN_PASSWORD: 'a password for the admin of tests',
  CARDEA_ACCESS_TTL: '1h',
  CARDEA_LOG_LEVEL: 'error',
}

/** A fourth node, in this process, that nobody asks: it only makes sessions. */
export class Issuer {
  readonly #app: FastifyInstance
  readonly #subjectTagKey: Buffer
  #issued = 0

  private constructor(app: FastifyInstance, subjectTagKey: Buffer) {
    this.#app = app
    this.#subjectTagKey = subjectTagKey
  }

  static async start(t: Ending, redisUrl: string): Promise<Issuer> {
    const config = loadConfig({ env: { ...settings, REDIS_URL: redisUrl }, directory: '/nowhere' })
    const store = await openStore(config)
    const app = await buildApp(config, { store })
    t.teardown(() => app.close())
    await app.ready()
    return new Issuer(app, await loadSubjectTagKey(store.keys, deriveSecrets([secret])))
  }

  /** A session of a subject of its own, and an access token of it. */
  async issue(name: string, roles: string[], audience?: string): Promise<{ sid: string; token: string }> {
    const { store, accessTokens } = this.#app
    this.#issued += 1
    const sub = `${name}-${this.#issued}`
    await store.users.add({ sub, passwordHash: '', roles, scope: '' })
    const times = { idleTtlSeconds: 3600, absoluteTtlSeconds: 7200 }
    const labels = { device: 'bench', ip: '192.0.2.7', amr: ['pwd'], scope: '' }
    const sid = newSid(sub, this.#subjectTagKey)
    const created = await store.sessions.create({
      ...{ sid, sub, roles, maxSessions: 100, userRevision: 1 },
      ...times,
      ...labels,
    })
    if (created.outcome !== 'created') throw new Error(created.outcome)
    return { sid, token: accessTokens.issue(created.session, audience === undefined ? {} : { audience }).token }
  }
}
