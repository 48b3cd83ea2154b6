// Configs that cannot be built: whatever a half-built app has opened ends with the attempt, however often it is tried.
import { createServer } from 'node:http'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import Fastify, { type FastifyServerFactory } from 'fastify'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { compileRoutes, type RouteConfig } from '../../../plugins/forward/index.ts'
import { type CompiledDocument, describeRoute, readDocument } from '../../../plugins/forward/openapi/index.ts'
import { openEmbeddedStore } from '../../../plugins/session-store/embedded/index.ts'
import type { Store } from '../../../plugins/session-store/port/store.ts'
import { buildApp, closedUnless } from '../../../src/app.ts'
import { loadConfig } from '../../../src/config/index.ts'
import { documentOf, writeDocument } from '../../plugins/forward/openapi/scene.ts'
import { eventually } from '../../support/eventually.ts'
import { gatewaySecret } from '../../support/gateway.ts'
import { standsStill, startFakeUpstream } from '../../support/upstream.ts'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

interface Attempt {
  store: Store
  routes: RouteConfig[]
  documents: ReadonlyMap<string, CompiledDocument>
}

// An operation of the first route and the whole second one are the same for the router, which nobody hears of before it is told.
async function contradictoryRoutes(t: Test, upstream: string): Promise<Omit<Attempt, 'store'>> {
  const openapi = writeDocument(t, documentOf({ '/orders/a': { get: {} } }))
  const health = { path: '/health', interval: '100ms' }
  const routes: RouteConfig[] = [
    { prefix: '/orders', upstream, openapi, health },
    { prefix: '/orders/a', upstream, health },
  ]
  const [documented] = compileRoutes(routes)
  if (documented === undefined) throw new Error('no route')
  return { routes, documents: new Map([['/orders', await describeRoute(documented, await readDocument(openapi))]]) }
}

/** @returns what only the app itself keeps alive */
async function fails(t: Test, { store, routes, documents }: Attempt): Promise<WeakRef<object>> {
  const config = { ...loadConfig({ env: {}, directory: '/nowhere' }), secrets: [gatewaySecret], routes }
  const handlers: WeakRef<object>[] = []
  const serverFactory: FastifyServerFactory = (handler) => {
    handlers.push(new WeakRef(handler))
    return createServer(handler)
  }
  const logger = pino({ level: 'silent' })
  await t.rejects(buildApp(config, { store, storeIsLent: true, documents, serverFactory, logger }), {
    code: 'FST_ERR_DUPLICATED_ROUTE',
  })
  const [handler] = handlers
  if (handler === undefined) throw new Error('no app was begun')
  return handler
}

t.test('an app that cannot be built leaves nothing behind: no timer, no listener, no connection', async (t) => {
  const upstream = await startFakeUpstream()
  t.teardown(() => upstream.close())
  const store = openEmbeddedStore({ file: ':memory:' })
  t.teardown(() => store.close())
  const attempt = { store, ...(await contradictoryRoutes(t, upstream.url)) }
  const apps: WeakRef<object>[] = []
  for (let i = 0; i < 5; i += 1) apps.push(await fails(t, attempt))
  // Whatever is left of an app in a timer, in a listener of the store or of a connection keeps it in memory.
  await eventually('all are forgotten', () => {
    collectGarbage()
    return apps.every((app) => app.deref() === undefined)
  })
  t.ok(upstream.connections.every((socket) => socket.destroyed))
  t.equal(await store.now().then((now) => now > 0), true, 'the store was only lent')
})

t.test('the services of an app that could not be built are not asked for their health any more', async (t) => {
  const upstream = await startFakeUpstream()
  t.teardown(() => upstream.close())
  const store = openEmbeddedStore({ file: ':memory:' })
  t.teardown(() => store.close())
  const attempt = { store, ...(await contradictoryRoutes(t, upstream.url)) }
  for (let i = 0; i < 3; i += 1) await fails(t, attempt)
  await standsStill('the number of questions', () => upstream.received.length + 1)
})

t.test('an app that does not become ready is closed, and says why', async (t) => {
  const app = Fastify()
  let hasEnded = false
  app.addHook('onReady', async () => {
    throw new Error('not today')
  })
  app.addHook('onClose', async () => {
    hasEnded = true
  })
  await t.rejects(
    closedUnless(app, () => app.ready()),
    /not today/,
  )
  t.ok(hasEnded)
})
