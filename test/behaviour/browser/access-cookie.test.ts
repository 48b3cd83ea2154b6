// Tests of what browsers open without an Authorization field, in a real one and with the cookie alone: pages, images, event
// streams and WebSockets of a service behind the gateway. A page of another port is of the same site, so the cookie goes
// along with what it asks for: there the gateway's own rule is what stands in the way.
import { once } from 'node:events'
import { createServer } from 'node:http'
import t, { type Test } from 'tap'
import { WebSocketServer } from 'ws'
import { eventually } from '../../support/eventually.ts'
import { password, startGateway } from '../../support/gateway.ts'
import { openPage, startBrowser } from './chromium.ts'

const browser = await startBrowser(t)

/** Tells in its title what has come: an image, an event, a message. */
const pageText = `<!doctype html><link rel="icon" href="data:,"><title>-</title><img src="/files/image.svg"><script>
const came = new Set()
const note = (what) => { came.add(what); document.title = [...came].sort().join(' ') }
document.querySelector('img').onload = () => note('image')
new EventSource('/files/events').onmessage = () => note('event')
new WebSocket(location.origin.replace('http', 'ws') + '/files/socket').onmessage = () => note('message')
</script>`

const responses: Record<string, [type: string, body: string]> = {
  '/app/': ['text/html', '<!doctype html><link rel="icon" href="data:,"><title>app</title>'],
  '/files/page': ['text/html', pageText],
  '/files/image.svg': ['image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'],
  '/files/events': ['text/event-stream', 'data: 1\n\n'],
}

/** A service with a page, and the gateway in front of it; the service can be reached past the gateway, at another port. */
async function sceneOf(t: Test) {
  const received: { url: string; subject: string; cookie: string }[] = []
  const server = createServer(({ url = '', headers }, response) => {
    received.push({ url, subject: `${headers['x-auth-subject']}`, cookie: headers.cookie ?? '' })
    const [type, body] = responses[url] ?? ['text/plain', '']
    response.setHeader('content-type', type)
    response.end(body)
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket, { url = '', headers }) => {
    received.push({ url, subject: `${headers['x-auth-subject']}`, cookie: headers.cookie ?? '' })
    socket.on('error', () => {})
    socket.send('hello')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  const upstream = `http://127.0.0.1:${address.port}`
  const routes = [
    { prefix: '/app', upstream, policy: 'public' as const },
    { prefix: '/files', upstream, accessCookie: true, websocket: true },
  ]
  const gateway = await startGateway(t, { config: { routes } })
  return { received, upstream, gateway, url: await gateway.app.listen({ host: '127.0.0.1', port: 0 }) }
}

/** A page of the gateway's origin whose user has signed in there. */
async function signedInPage(t: Test, url: string) {
  const watched = await openPage(browser)
  t.teardown(() => watched.context.close())
  await watched.page.goto(`${url}/app/`)
  const login = { username: 'alice', password }
  const status = await watched.page.evaluate(async (body) => {
    const headers = { 'content-type': 'application/json' }
    return (await fetch('/auth/login', { method: 'POST', headers, body: JSON.stringify(body) })).status
  }, login)
  t.equal(status, 200)
  return watched
}

t.test('a page, its image, its event stream and its WebSocket open with the cookie alone', async (t) => {
  const { received, url } = await sceneOf(t)
  const { page, faults } = await signedInPage(t, url)
  received.length = 0
  t.equal((await page.goto(`${url}/files/page`))?.status(), 200, 'as if its address had been typed')
  await eventually('all came', async () => (await page.title()) === 'event image message')
  for (const path of ['/files/page', '/files/image.svg', '/files/events', '/files/socket']) {
    t.match(
      received.find((one) => one.url === path),
      { subject: 'alice', cookie: '' },
      path,
    )
  }
  t.strictSame(faults, [])
})

t.test('a page of another port gets nothing with the cookie, though it is of the same site', async (t) => {
  const { received, url, upstream, gateway } = await sceneOf(t)
  const { page } = await signedInPage(t, url)
  await page.goto(`${upstream}/app/`)
  received.length = 0
  await page.evaluate(async (target) => {
    const options = { mode: 'no-cors', credentials: 'include' } as const
    // The refusals themselves are kept from the page, too (Cross-Origin-Resource-Policy).
    await fetch(`${target}/files/read`, options).catch(() => undefined)
    await fetch(`${target}/files/write`, { ...options, method: 'POST', body: 'x' }).catch(() => undefined)
    const socket = new WebSocket(`${target.replace('http', 'ws')}/files/socket`)
    await new Promise((resolve) => socket.addEventListener('error', resolve))
  }, url)
  t.match(
    gateway.events('origin_refused').map(({ detail }) => detail),
    ['site_foreign', 'origin_foreign', 'websocket'],
    'the cookie came, and the page was looked at',
  )
  t.strictSame(received, [])
})
