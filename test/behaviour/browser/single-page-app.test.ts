// A single-page app with the token code of docs/examples/token.js, in a real browser: what works, and what docs/browser-apps.md
// says of pages of another site and of plain http. The gateway says so where the browser drops its cookie.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, request as httpRequest } from 'node:http'
import t, { type Test } from 'tap'
import { password, startGateway } from '../../support/gateway.ts'
import { startFakeUpstream } from '../../support/upstream.ts'
import { openPage, startBrowser } from './chromium.ts'

// A name beyond loopback that leads here.
const browser = await startBrowser(t, ['--host-resolver-rules=MAP gateway.test 127.0.0.1'])

const tokenCode = readFileSync(new URL('../../../docs/examples/token.js', import.meta.url), 'utf8')
const files: Record<string, [type: string, text: string]> = {
  '/': ['text/html', '<!doctype html><link rel="icon" href="data:,"><title>app</title>'],
  '/token.js': ['text/javascript', tokenCode],
}

/** Where a dev server passes on what it has no file for. */
interface Passing {
  port: string
  /** The Host field goes on as the browser sent it. */
  keepsHost: boolean
}

/** A server of files, such as a bundler starts. @returns its port */
async function startDevServer(t: Test, passing: { to?: Passing } = {}): Promise<number> {
  const server = createServer((request, response) => {
    const { url = '', method, headers } = request
    if (passing.to !== undefined && files[url] === undefined) {
      const { port, keepsHost } = passing.to
      const sent = keepsHost ? headers : { ...headers, host: `127.0.0.1:${port}` }
      const onward = httpRequest({ host: '127.0.0.1', port, path: url, method, headers: sent }, (received) => {
        response.writeHead(received.statusCode ?? 0, received.headers)
        received.pipe(response)
      })
      request.pipe(onward)
      return
    }
    const [type, text] = files[url] ?? ['text/plain', '']
    response.setHeader('content-type', type)
    response.end(text)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  return address.port
}

/**
 * A page of the dev server at one host, and the gateway at another.
 * @param page the host of the page's URL
 * @param gatewayHost the host by which the page calls the gateway
 * @param isAllowed the gateway knows the page's origin
 * @param keepsHost the page calls its own server, which passes on to the gateway, with the Host field as it came or not
 */
async function sceneOf(t: Test, page: string, gatewayHost: string, isAllowed = true, keepsHost?: boolean) {
  const passing: { to?: Passing } = {}
  const origin = `http://${page}:${await startDevServer(t, passing)}`
  const upstream = await startFakeUpstream()
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, {
    config: {
      allowedOrigins: isAllowed ? [origin] : [],
      routes: [{ prefix: '/orders', upstream: upstream.url, policy: 'authenticated' }],
      hosts: { issuer: 'https://gateway.test', listed: ['gateway.test'], loopback: true },
    },
  })
  const { port } = new URL(await gateway.app.listen({ host: '127.0.0.1', port: 0 }))
  if (keepsHost !== undefined) passing.to = { port, keepsHost }
  const watched = await openPage(browser)
  t.teardown(() => watched.context.close())
  await watched.page.goto(origin)
  return { ...watched, gateway, upstream, url: keepsHost === undefined ? `http://${gatewayHost}:${port}` : '' }
}

type Scene = Awaited<ReturnType<typeof sceneOf>>

/** What a page does with the token code. @returns what it heard: a status, or the code of an error */
function act({ page, url }: Scene, what: 'signIn' | 'signOut' | 'request'): Promise<number | string> {
  return page.evaluate(
    async ({ what, url, password }) => {
      const token = await import(`${location.origin}/token.js`)
      token.settings.gateway = url
      try {
        if (what === 'request') return (await token.request('/orders/1')).status
        if (what === 'signIn') await token.signIn('alice', password)
        else await token.signOut()
        return 'done'
      } catch (error) {
        // Boundary: the code makes its errors of the gateway's problems; what fetch throws has no code.
        return (error as { code?: string }).code ?? `${error}`
      }
    },
    { what, url, password },
  )
}

for (const [page, gatewayHost] of [
  ['localhost', 'localhost'],
  ['127.0.0.1', '127.0.0.1'],
] as const) {
  t.test(`a page of ${page} and the gateway at ${gatewayHost}: a reload keeps who is signed in`, async (t) => {
    const scene = await sceneOf(t, page, gatewayHost)
    t.equal(await act(scene, 'request'), 'invalid_request', 'nobody is signed in')
    t.equal(await act(scene, 'signIn'), 'done')
    t.equal(await act(scene, 'request'), 200)
    t.match(scene.upstream.received.at(-1)?.headers, { 'x-auth-subject': 'alice' })
    await scene.page.reload()
    t.equal(await act(scene, 'request'), 200, 'by the cookie')
    t.equal(await act(scene, 'signOut'), 'done')
    t.equal(await act(scene, 'request'), 'invalid_request')
    t.strictSame(scene.faults, [])
    t.strictSame(scene.gateway.events('cookie_dropped'), [])
  })
}

t.test('requests that need a token at the same time share one refresh', async (t) => {
  const scene = await sceneOf(t, 'localhost', 'localhost')
  t.equal(await act(scene, 'signIn'), 'done')
  await scene.page.reload()
  const statuses = await Promise.all([act(scene, 'request'), act(scene, 'request'), act(scene, 'request')])
  t.strictSame(statuses, [200, 200, 200])
  t.equal(scene.gateway.events('rotated').length, 1)
})

t.test('a session that was ended elsewhere asks for the password', async (t) => {
  const scene = await sceneOf(t, 'localhost', 'localhost')
  t.equal(await act(scene, 'signIn'), 'done')
  for (const { sid } of await scene.gateway.store.sessions.list('alice'))
    await scene.gateway.app.sessions.end(sid, 'revoked_by_admin')
  t.equal(await act(scene, 'request'), 'invalid_grant')
})

for (const [page, gatewayHost, why, sentence] of [
  ['localhost', '127.0.0.1', 'cross_site', /of another site than the gateway/],
  ['127.0.0.1', 'localhost', 'cross_site', /of another site than the gateway/],
  ['gateway.test', 'gateway.test', 'plain_http', /over plain http beyond localhost/],
] as const) {
  t.test(`a page of ${page} and the gateway at ${gatewayHost}: the cookie is dropped, and it is said`, async (t) => {
    const scene = await sceneOf(t, page, gatewayHost)
    t.equal(await act(scene, 'signIn'), 'done', 'looks well')
    t.equal(await act(scene, 'request'), 200, 'looks well for as long as the access token lives')
    t.strictSame(await scene.context.cookies(), [], 'nothing was kept')
    await scene.page.reload()
    t.equal(await act(scene, 'request'), 'invalid_request', 'nobody is signed in any more')
    t.match(scene.faults, [sentence])
    t.match(scene.gateway.events('cookie_dropped'), [{ level: 40, sub: 'alice', detail: why }])
  })
}

t.test('a page whose origin is not allowed hears nothing of the gateway', async (t) => {
  const scene = await sceneOf(t, 'localhost', 'localhost', false)
  t.equal(await act(scene, 'signIn'), 'TypeError: Failed to fetch')
  t.match(scene.faults, [/blocked by CORS policy/])
})

t.test('a dev server that passes requests on and keeps the Host field needs no setting', async (t) => {
  const scene = await sceneOf(t, 'localhost', 'localhost', false, true)
  t.equal(await act(scene, 'signIn'), 'done')
  await scene.page.reload()
  t.equal(await act(scene, 'request'), 200)
  t.strictSame(scene.faults, [])
})

t.test('a dev server that passes requests on and changes the Host field must be an allowed origin', async (t) => {
  const unknown = await sceneOf(t, 'localhost', 'localhost', false, false)
  t.equal(await act(unknown, 'signIn'), 'origin_refused')
  const known = await sceneOf(t, 'localhost', 'localhost', true, false)
  t.equal(await act(known, 'signIn'), 'done')
  await known.page.reload()
  t.equal(await act(known, 'request'), 200)
})
