// The operators' page in a real browser, on the real gateway: the story that README tells of it, and what must never happen.
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { Clock } from '../../../support/clock.ts'
import { eventually } from '../../../support/eventually.ts'
import {
  bearer,
  type GatewayOverrides,
  password,
  startGateway,
  type TestGateway,
  type Tokens,
} from '../../../support/gateway.ts'
import { openPage, startBrowser, type WatchedPage } from '../chromium.ts'

const browser = await startBrowser(t)

interface Scene extends WatchedPage {
  gateway: TestGateway
  url: string
}

/** The gateway, listening, and a page that knows where it is. */
async function openScene(t: Test, config: GatewayOverrides['config'] = {}): Promise<Scene> {
  // The page's clock is the machine's, so the gateway's begins there.
  const gateway = await startGateway(t, { config, clock: new Clock(Date.now()) })
  const url = await gateway.app.listen({ host: '127.0.0.1', port: 0 })
  const watched = await openPage(browser)
  t.teardown(() => watched.context.close())
  return { gateway, url, ...watched }
}

async function signIn(page: Page, username = 'root', word = password): Promise<void> {
  await page.getByLabel('User name').fill(username)
  await page.getByLabel('Password').fill(word)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

async function seeLive(page: Page): Promise<void> {
  await page.locator('[data-live=live]').waitFor()
}

async function tileOf(page: Page, name: string): Promise<string> {
  return page.locator(`[data-tile=${name}] .tile-number`).innerText()
}

function refresh(gateway: TestGateway, { refresh_token }: Pick<Tokens, 'refresh_token'>) {
  return gateway.post('/auth/token', { grant_type: 'refresh_token', refresh_token })
}

/** A token is used, its successor too, and then it comes back when nobody honours it any more. */
async function reuse(gateway: TestGateway, first: Tokens): Promise<void> {
  const second = (await refresh(gateway, first)).json<Tokens>()
  await refresh(gateway, second)
  gateway.clock.advance(11_000)
  const response = await refresh(gateway, first)
  if (response.statusCode !== 400) throw new Error(`a reuse was answered ${response.statusCode}`)
}

t.test(
  'an operator sees a reuse as it happens, reads why the session ended, ends another, and it is refused',
  async (t) => {
    const { gateway, url, page, faults } = await openScene(t)
    await page.goto(`${url}/ops`)
    await signIn(page, 'root', 'wrong')
    await page.getByText('The user name or password is not right.').waitFor()
    await signIn(page)
    await seeLive(page)
    t.equal(await tileOf(page, 'reused'), '0')

    const stolen = await gateway.signIn('alice', {
      headers: { 'user-agent': 'Mozilla/5.0 (X11; Linux) Firefox/146.0' },
    })
    await reuse(gateway, stolen)
    const other = await gateway.signIn('alice')
    await eventually('the tile counts the reuse', async () => (await tileOf(page, 'reused')) === '1')
    await page.getByText('One session was ended by reuse in the last hour.').waitFor()
    const events = page.getByRole('region', { name: 'Latest events' })
    await events.getByText('Refresh token reused').waitFor()

    // Suspicious, and why: the numbers and the threshold stand beside it.
    const signal = page.getByRole('article').filter({ hasText: 'reuse' }).first()
    await signal.waitFor()
    t.match(await signal.innerText(), /Threshold.*alice/s)
    t.ok(await signal.locator(`a[title="${stolen.session_id}"]`).count())

    await page.getByRole('row').filter({ hasText: 'Refresh token reused' }).locator('a.id').click()
    await page.getByRole('heading', { name: 'Session', exact: true }).waitFor()
    t.equal(new URL(page.url()).hash, `#/sessions/${stolen.session_id}`)
    const timeline = page.getByRole('listitem')
    await eventually('the timeline is there', async () => (await timeline.count()) >= 3)
    t.match(await timeline.first().innerText(), /Signed in/)
    t.match(await timeline.last().innerText(), /reuse/i)
    t.match(await page.locator('.result').innerText(), /Firefox 146 on Linux/)
    t.equal(await page.getByRole('button', { name: 'End session' }).count(), 0, 'what has ended cannot be ended')

    await page.getByRole('link', { name: 'Sessions' }).click()
    await page.getByLabel('Subject or session identifier').fill('Alice')
    await page.getByRole('button', { name: 'Find' }).click()
    const found = page.getByRole('region', { name: 'Live sessions', exact: true })
    await found.locator(`a[title="${other.session_id}"]`).click()
    await page.getByText('This session is alive.').waitFor()
    await page.getByRole('button', { name: 'End session' }).click()
    const dialog = page.getByRole('dialog', { name: 'End this session?' })
    t.match(await dialog.innerText(), /alice/)
    await dialog.getByRole('button', { name: 'Keep it' }).click()
    t.equal((await gateway.app.inject({ url: '/auth/sessions', headers: bearer(other) })).statusCode, 200)

    await page.getByRole('button', { name: 'End session' }).click()
    await dialog.getByRole('button', { name: 'End session' }).click()
    await page.locator('.result .tag', { hasText: 'Ended by an operator' }).waitFor()
    t.equal((await refresh(gateway, other)).statusCode, 400)
    t.equal((await gateway.app.inject({ url: '/auth/sessions', headers: bearer(other) })).statusCode, 401)
    t.strictSame(faults, [])
  },
)

t.test('with the keyboard alone: in, to a session, end all of them, out', async (t) => {
  const { gateway, url, page, faults } = await openScene(t)
  const { keyboard } = page
  const tokens = await gateway.signIn('alice')
  await page.goto(`${url}/ops#/sessions?sub=alice`)
  await page.getByLabel('User name').waitFor()
  await keyboard.type('root')
  await keyboard.press('Tab')
  await keyboard.type(password)
  await keyboard.press('Enter')
  await page.locator(`a[title="${tokens.session_id}"]`).waitFor()

  await keyboard.press('Tab')
  t.equal(await focusedText(page), 'Skip to the content')
  await keyboard.press('Enter')
  t.equal(await focusedText(page), 'Sessions')
  await keyboard.press('g')
  await keyboard.press('e')
  await page.getByRole('heading', { name: 'Events', exact: true }).waitFor()
  t.equal(await focusedText(page), 'Events', 'the focus goes where the view is')
  await keyboard.press('g')
  await keyboard.press('u')
  await eventually('the focus is in the view', async () => (await focusedText(page)) === 'Sessions')
  await keyboard.press('/')
  await keyboard.type('alice')
  await keyboard.press('Enter')
  await page.getByRole('button', { name: 'End all sessions' }).waitFor()
  await tabTo(page, 'End all sessions')
  await keyboard.press('Enter')
  const dialog = page.getByRole('dialog', { name: 'End all sessions?' })
  await dialog.waitFor()
  t.equal(await focusedText(page), 'Keep it', 'the safe answer comes first')
  await keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  t.equal(await focusedText(page), 'End all sessions', 'the focus is back where it was')
  await keyboard.press('Enter')
  await dialog.waitFor()
  await keyboard.press('Tab')
  t.equal(await focusedText(page), 'End all sessions')
  await keyboard.press('Enter')
  await page.getByText('alice has no live session').waitFor()
  t.equal(await page.getByRole('status').innerText(), 'One session of alice has ended.')
  t.equal((await refresh(gateway, tokens)).statusCode, 400)

  await tabTo(page, 'Sign out')
  await keyboard.press('Enter')
  await page.getByLabel('User name').waitFor()
  t.strictSame(faults, [])
})

async function focusedText(page: Page): Promise<string> {
  return (await page.locator(':focus').allInnerTexts()).join('').trim()
}

async function tabTo(page: Page, text: string): Promise<void> {
  for (let i = 0; i < 60; i += 1) {
    if ((await focusedText(page)) === text) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`Tab never came to ${text}`)
}

t.test('all live sessions are there page by page, and a place that cannot be is refused in words', async (t) => {
  const { gateway, url, page, faults } = await openScene(t)
  const sids: string[] = []
  for (let i = 0; i < 27; i += 1) {
    gateway.clock.advance(1)
    sids.unshift((await gateway.signIn('alice')).session_id)
  }
  await page.goto(`${url}/ops#/sessions`)
  await signIn(page)
  const list = page.getByRole('region', { name: 'All live sessions' })
  await list.locator('tbody tr').first().waitFor()
  const shown = () => list.locator('a.id').evaluateAll((links) => links.map((link) => link.getAttribute('title')))
  t.strictSame(await shown(), sids.slice(0, 25))
  await gateway.app.sessions.end(String(sids[24]), 'logout')
  await page.getByRole('link', { name: 'Next page' }).click()
  await page.getByRole('navigation', { name: 'Pages of sessions' }).getByText('Sessions of alice to root.').waitFor()
  t.strictSame((await shown()).slice(0, 2), sids.slice(25))
  await list.getByText('this one is yours').waitFor()
  t.strictSame(faults, [])

  await page.evaluate(`location.hash = '#/sessions?after=Alice'`)
  await page.getByRole('alert').getByText('/after').waitFor()
  await page.getByRole('link', { name: 'First page' }).click()
  await list.locator(`a[title="${sids[0]}"]`).waitFor()
})

t.test('an hour later, ending a session asks for the password, and goes on by itself once it was right', async (t) => {
  const { gateway, url, page, faults } = await openScene(t)
  const alice = await gateway.signIn('alice')
  await page.goto(`${url}/ops#/sessions/${alice.session_id}`)
  await signIn(page)
  await page.getByText('This session is alive.').waitFor()
  gateway.clock.advance(3_600_000)
  await page.getByRole('button', { name: 'End session' }).click()
  const dialog = page.getByRole('dialog', { name: 'End this session?' })
  await dialog.getByRole('button', { name: 'End session' }).click()
  const door = page.getByRole('dialog', { name: 'Is it still you?' })
  await door.getByLabel('Password').fill('wrong')
  await door.getByRole('button', { name: 'Go on' }).click()
  await door.getByText('The user name or password is not right.').waitFor()
  await page.keyboard.press('Escape')
  await dialog.getByText('Nothing was changed: the password was not given.').waitFor()
  t.equal((await gateway.app.sessions.read(alice.session_id))?.revokedAt, undefined)
  await dialog.getByRole('button', { name: 'End session' }).click()
  await door.getByLabel('Password').fill(password)
  await door.getByRole('button', { name: 'Go on' }).click()
  await page.locator('.result .tag', { hasText: 'Ended by an operator' }).waitFor()
  await eventually('the earlier session of the page is over', () => gateway.events('logout').length === 1)
  await seeLive(page)
  t.strictSame(faults, [])
})

t.test('a user without the role is shown out, and their session does not stay', async (t) => {
  const { gateway, url, page } = await openScene(t)
  await page.goto(`${url}/ops`)
  await signIn(page, 'alice')
  await page.getByText('This user is no operator').waitFor()
  await eventually('the session is over', () => gateway.events('logout').length === 1)
  t.strictSame(await page.context().cookies(), [])
})

t.test(
  'tokens stay in memory, no cookie is set, the access token is replaced in time by one request, and a reload asks again',
  async (t) => {
    const { gateway, url, page, faults } = await openScene(t, { accessTtlSeconds: 4 })
    const asked: string[] = []
    page.on('request', (request) => asked.push(new URL(request.url()).pathname))
    await page.goto(`${url}/ops`)
    await signIn(page)
    await seeLive(page)
    const kept = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))
    t.equal(kept, '{}')
    t.strictSame(await page.context().cookies(), [])

    const replaced = () => asked.filter((path) => path === '/auth/token').length
    await eventually('the token is replaced', () => replaced() === 1)
    gateway.clock.advance(5000)
    await page.getByRole('link', { name: 'System' }).click()
    await page.getByRole('heading', { name: 'Signing keys' }).waitFor()
    t.ok(replaced() <= 3, `tokens asked for: ${replaced()}`)
    await page.reload()
    await signIn(page)
    await page.getByRole('heading', { name: 'Signing keys' }).waitFor()
    await seeLive(page)

    // Their own session can be ended under them, too: the page says so and asks to sign in.
    await gateway.app.sessions.endAll('root', 'revoked_by_admin', undefined, undefined)
    await page.getByText('Your session has ended. Sign in again.').waitFor()
    t.strictSame(faults, [])
  },
)

t.test('the files are public and strict, the data is not', async (t) => {
  const { gateway } = await openScene(t)
  const { app } = gateway
  const page = await app.inject('/ops/')
  const policy = String(page.headers['content-security-policy'])
  t.match(policy, /^default-src 'none'; script-src 'self' 'sha256-[\w+/=]{44}'; style-src 'self'; connect-src 'self'/)
  t.match(policy, /trusted-types 'none'/)
  t.notMatch(policy, /unsafe|https?:|\*/)
  t.match(page.headers, { 'x-content-type-options': 'nosniff', 'cache-control': 'no-cache' })
  t.match((await app.inject('/ops')).headers, { location: 'ops/' })
  for (const path of ['/ops/wire.ts', '/ops/tsconfig.json', '/ops/parts/', '/ops/modules/', '/ops/constructor']) {
    t.equal((await app.inject(path)).statusCode, 404, path)
  }
  t.match(
    (await app.inject('/livez')).headers['content-security-policy'],
    /^default-src 'none';frame-ancestors 'none'$/,
  )
  for (const path of ['/admin/overview', '/admin/events', '/admin/events/stream', '/admin/signals']) {
    t.equal((await app.inject(path)).statusCode, 401, path)
  }
  const off = await startGateway(t, { config: { ops: false } })
  t.equal((await off.app.inject('/ops/')).statusCode, 404)
})
