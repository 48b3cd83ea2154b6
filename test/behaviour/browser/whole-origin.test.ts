// Tests of what a page of a service can do to the origin that it shares with the gateway, in a real browser: no service
// worker of its own takes over other pages, and a page in the sandbox has neither the cookie nor the origin.
import t, { type Test } from 'tap'
import type { RouteConfig } from '../../../plugins/forward/index.ts'
import { password, startGateway } from '../../support/gateway.ts'
import { startFakeUpstream } from '../../support/upstream.ts'
import { openPage, startBrowser } from './chromium.ts'

const browser = await startBrowser(t)

const page = '<!doctype html><link rel="icon" href="data:,"><title>shop</title>'
const worker = "self.onfetch = (event) => event.respondWith(new Response('taken over', { status: 299 }))"

/** The gateway with `/shop`, whose service does what it can, and a page of it on which alice has signed in. */
async function sceneOf(t: Test, options: Partial<RouteConfig>) {
  const service = await startFakeUpstream(({ url }, response) => {
    response.setHeader('content-type', url.endsWith('.js') ? 'text/javascript' : 'text/html')
    response.setHeader('service-worker-allowed', '/')
    response.end(url.endsWith('.js') ? worker : page)
  })
  t.teardown(() => service.close())
  const routes: RouteConfig[] = [
    { prefix: '/shop', upstream: service.url, policy: 'public', ...options },
    { prefix: '/plain', upstream: service.url, policy: 'public' },
  ]
  const gateway = await startGateway(t, { config: { routes } })
  const url = await gateway.app.listen({ host: '127.0.0.1', port: 0 })
  const watched = await openPage(browser)
  t.teardown(() => watched.context.close())
  await watched.page.goto(`${url}/plain/`)
  const status = await watched.page.evaluate(
    async (body) => {
      const headers = { 'content-type': 'application/json' }
      return (await fetch('/auth/login', { method: 'POST', headers, body: JSON.stringify(body) })).status
    },
    { username: 'alice', password },
  )
  t.equal(status, 200)
  await watched.page.goto(`${url}/shop/`)
  return { url, page: watched.page }
}

/** Registers `/shop/worker.js` for a scope. @returns the scope it got, or the kind of error */
function register(page: Awaited<ReturnType<typeof sceneOf>>['page'], scope: string): Promise<string> {
  return page.evaluate(async (wanted) => {
    try {
      const registration = await navigator.serviceWorker.register('/shop/worker.js', { scope: wanted })
      const own = registration.installing ?? registration.waiting ?? registration.active
      while (own !== null && own.state !== 'activated') {
        await new Promise((resolve) => own.addEventListener('statechange', resolve, { once: true }))
      }
      return new URL(registration.scope).pathname
    } catch (error) {
      return error instanceof Error ? error.name : 'unknown'
    }
  }, scope)
}

t.test('a service worker of a service takes over no page, neither its own nor the operators’', async (t) => {
  const { url, page } = await sceneOf(t, {})
  t.match(await register(page, '/'), /Error$/)
  t.match(await register(page, '/shop/'), /Error$/)
  t.equal((await page.goto(`${url}/ops/`))?.status(), 200)
})

t.test('where a route takes service workers, one gets the folder of its script and no more', async (t) => {
  const { url, page } = await sceneOf(t, { serviceWorker: true })
  t.equal(await register(page, '/'), 'SecurityError')
  t.equal(await register(page, '/shop/'), '/shop/')
  t.equal((await page.goto(`${url}/shop/anything`))?.status(), 299, 'the worker answers')
  t.equal((await page.goto(`${url}/ops/`))?.status(), 200)
})

t.test('only a route that lets Service-Worker-Allowed through as well gives the whole origin away', async (t) => {
  const responseHeaders = { allow: ['Service-Worker-Allowed'] }
  const { url, page } = await sceneOf(t, { serviceWorker: true, responseHeaders })
  t.equal(await register(page, '/'), '/')
  t.equal((await page.goto(`${url}/ops/`))?.status(), 299, 'which is why it does not pass by itself')
})

t.test('a page in the sandbox refreshes nothing with the cookie of who looks at it', async (t) => {
  const refresh = (page: Awaited<ReturnType<typeof sceneOf>>['page']) =>
    page.evaluate(async () => {
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      const options = { method: 'POST', headers, body: 'grant_type=refresh_token', credentials: 'include' } as const
      const status = await fetch('/auth/token', options).then(
        (response) => response.status,
        () => 0,
      )
      return [self.origin, status]
    })
  const open = await sceneOf(t, {})
  t.strictSame(await refresh(open.page), [open.url, 200], 'without it, it does')
  const closed = await sceneOf(t, { sandbox: true })
  const [origin, status] = await refresh(closed.page)
  t.equal(origin, 'null')
  t.equal(status, 0, 'refused, and the page cannot even read how')
})
