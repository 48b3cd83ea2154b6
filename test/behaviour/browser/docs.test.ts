// Swagger UI in a real browser: "Authorize" with a bearer token and "Try it out" on the gateway's own operations and on a
// forwarded one: with the token, and with the cookie alone where its route takes it.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import type { RouteConfig } from '../../../plugins/forward/index.ts'
import { adminPassword } from '../../support/gateway-client.ts'
import { freePort } from '../../support/processes/free-port.ts'
import { GatewayProcess } from '../../support/processes/gateway-process.ts'
import { startNginx } from '../../support/processes/proxy-server.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { type FakeUpstream, startFakeUpstream } from '../../support/upstream.ts'
import { openPage, startBrowser, type WatchedPage } from './chromium.ts'

const browser = await startBrowser(t)

/** The operation's panel, opened. @param id how Swagger UI's own id ends: group, dash, operation */
async function openOperation(page: Page, id: string): Promise<Locator> {
  const operation = page.locator(`[id$="${id}"].opblock`)
  await operation.locator('.opblock-summary-control').click()
  await operation.locator('button.execute').waitFor()
  return operation
}

/** @returns the status and body of the response that Swagger UI shows */
async function execute(operation: Locator): Promise<{ status: string; body: string }> {
  const response = operation.locator('.live-responses-table')
  // The response of the time before would be taken for this one's.
  if ((await response.count()) > 0) await operation.locator('button.btn-clear').click()
  await response.waitFor({ state: 'detached' })
  await operation.locator('button.execute').click()
  await response.waitFor()
  const status = await response.locator('tbody .response-col_status').first().innerText()
  return { status: status.trim(), body: await response.locator('tbody .response-col_description').innerText() }
}

const document = `openapi: 3.1.0
info: { title: Orders, version: '1' }
paths:
  /orders/{id}:
    get:
      operationId: readOrder
      summary: Read an order
      parameters: [{ name: id, in: path, required: true, schema: { type: integer }, example: 7 }]
      responses: { '200': { description: The order. } }
    post:
      operationId: changeOrder
      summary: Change an order
      parameters: [{ name: id, in: path, required: true, schema: { type: integer }, example: 7 }]
      responses: { '200': { description: The order. } }
`

/** Swagger UI of a gateway with a described service behind it. @param more members of its route */
async function openDocs(
  t: Test,
  more: Partial<RouteConfig> = {},
  env: Record<string, string> = {},
): Promise<WatchedPage & { upstream: FakeUpstream; gateway: GatewayProcess }> {
  const upstream = await startFakeUpstream()
  t.teardown(() => upstream.close())
  const folder = temporaryFolder(t)
  const openapi = join(folder, 'orders.yaml')
  const config = join(folder, 'cardea.config.yaml')
  await writeFile(openapi, document)
  await writeFile(config, JSON.stringify({ routes: [{ prefix: '/orders', upstream: upstream.url, openapi, ...more }] }))
  const gateway = await GatewayProcess.start({
    CARDEA_CONFIG: config,
    CARDEA_DATA_DIR: join(folder, 'data'),
    CARDEA_ADMIN_PASSWORD: adminPassword,
    ...env,
  })
  t.teardown(() => gateway.stop())
  const watched = await openPage(browser)
  t.teardown(() => watched.context.close())
  await watched.page.goto(`${gateway.url}/docs`)
  return { upstream, gateway, ...watched }
}

/** @returns the access token that Swagger UI shows */
async function signIn(page: Page): Promise<string> {
  const login = await openOperation(page, '-login')
  await login.locator('textarea').fill(JSON.stringify({ username: 'admin', password: adminPassword }))
  const { body } = await execute(login)
  return /"access_token": "([^"]+)"/.exec(body)?.[1] ?? ''
}

/** Enters a token, in the place of the one before. */
async function authorize(page: Page, accessToken: string): Promise<void> {
  await page.getByRole('button', { name: 'Authorize' }).first().click()
  const dialog = page.locator('.modal-ux')
  const form = dialog.locator('form', { hasText: 'bearer' })
  const before = form.getByRole('button', { name: 'Remove authorization' })
  if ((await before.count()) > 0) await before.click()
  await form.locator('input').fill(accessToken)
  await form.getByRole('button', { name: 'Apply credentials' }).click()
  await dialog.getByRole('button', { name: 'Close', exact: true }).first().click()
}

t.test('own operations: sign in, refresh by the cookie alone, then authorize with the token', async (t) => {
  const { page, context, faults } = await openDocs(t)
  const accessToken = await signIn(page)
  t.match(await context.cookies(), [{ name: '__Host-cardea_refresh', httpOnly: true, sameSite: 'Strict' }])

  const token = await openOperation(page, '-token')
  t.equal((await execute(token)).status, '200', 'as it is filled in')
  for (const type of ['application/x-www-form-urlencoded', 'application/json']) {
    await token.locator('.opblock-section-request-body select').first().selectOption(type)
    t.equal((await execute(token)).status, '200', `${type}, as it is filled in`)
  }

  const own = await openOperation(page, '-listOwnSessions')
  t.equal((await execute(own)).status, '401', 'the cookie alone is no access token')
  await authorize(page, accessToken)
  const listed = await execute(own)
  t.equal(listed.status, '200')
  t.match(listed.body, /"current": true/)
  t.strictSame(faults, [])
})

t.test('behind a path prefix that nginx takes off, the page loads and its requests arrive', async (t) => {
  const sites = (port: number, folder: string) => `
server {
  listen 127.0.0.1:${port};
  access_log ${folder}/access.log;
  location /gw/ { proxy_pass http://127.0.0.1:${gatewayPort}/; proxy_set_header Host $http_host; }
}`
  const gatewayPort = await freePort()
  const port = await startNginx(t, sites)
  const url = `http://127.0.0.1:${port}/gw`
  const { page, context, faults } = await openDocs(t, {}, { CARDEA_ISSUER: url, PORT: String(gatewayPort) })
  for (const path of ['/docs', '/docs/', '/docs?from=mail']) {
    await page.goto(url + path)
    t.equal(page.url(), `${url}/docs/`)
    t.ok(await signIn(page), path)
  }
  t.match(await context.cookies(), [{ name: /^__Host-cardea_refresh/ }])
  t.equal((await execute(await openOperation(page, '-token'))).status, '200')
  t.equal((await execute(await openOperation(page, '-logout'))).status, '204', 'as it is filled in')
  t.strictSame(faults, [])
})

t.test(
  'a forwarded operation: refused without a token, forwarded with one, and the service never sees the cookie',
  async (t) => {
    const { upstream, page, faults } = await openDocs(t)
    const accessToken = await signIn(page)
    const forwarded = await openOperation(page, 'readOrder')
    await forwarded.locator('.parameters input').fill('7')
    t.equal((await execute(forwarded)).status, '401')
    await authorize(page, accessToken)
    t.equal((await execute(forwarded)).status, '200')
    t.match(upstream.received, [{ method: 'GET', url: '/orders/7', headers: { 'x-auth-subject': 'admin' } }])
    t.notMatch(upstream.received[0]?.rawHeaders.join(' '), /cardea_refresh/)
    t.strictSame(faults, [])
  },
)

t.test('a forwarded operation whose route takes the cookie: with the cookie alone, and with a token', async (t) => {
  const { upstream, page, context, faults } = await openDocs(t, { accessCookie: true })
  const forwarded = await openOperation(page, 'readOrder')
  await forwarded.locator('.parameters input').fill('7')
  t.equal((await execute(forwarded)).status, '401')
  const accessToken = await signIn(page)
  t.match(await context.cookies(), [
    { name: '__Host-cardea_refresh' },
    { name: '__Host-cardea_access', value: accessToken, httpOnly: true, secure: true, sameSite: 'Strict' },
  ])
  t.equal((await execute(forwarded)).status, '200', 'by the cookie')
  const changing = await openOperation(page, 'changeOrder')
  await changing.locator('.parameters input').fill('7')
  t.equal((await execute(changing)).status, '200', 'a method that writes, too')
  t.match(
    upstream.received.map(({ method, headers }) => [method, headers['x-auth-subject'], headers.cookie]),
    [
      ['GET', 'admin', undefined],
      ['POST', 'admin', undefined],
    ],
  )
  await authorize(page, 'no token')
  t.equal((await execute(forwarded)).status, '401', 'a wrong token is not made good by the cookie')
  await context.clearCookies()
  await authorize(page, accessToken)
  t.equal((await execute(forwarded)).status, '200', 'by the token')
  t.strictSame(faults, [])
})
