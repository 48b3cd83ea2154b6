// The operators' page alone, on answers that are made up: text that attacks, a stream that breaks, nodes that lag, small
// screens, and axe-core on every view in both themes.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import t from 'tap'
import { eventually } from '../../../support/eventually.ts'
import { openPage, startBrowser } from '../chromium.ts'
import { reusedSid, sampleEvent } from '../sample/data.ts'
import { startSampleGateway } from '../sample/gateway.ts'
import { openView, signIn } from '../sample/view.ts'

const browser = await startBrowser(t)
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

// Within the page: whoever loads it anew signs in anew.
async function goTo(page: Page, hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`)
}

async function show(page: Page, hash: string, heading: string): Promise<void> {
  await goTo(page, hash)
  await page.getByRole('heading', { level: 1, name: heading, exact: true }).waitFor()
  await eventually('everything is loaded', async () => (await page.locator('[aria-busy]').count()) === 0)
}

const attack = '"><img src=x onerror="alert(1)"><script>alert(2)</script>{{7*7}}&amp;'

t.test('what clients call themselves is text on every view, and never more', async (t) => {
  const { sample, page, faults } = await openView(t, browser, '#/now', {}, (sample) => {
    sample.events = [
      { ...sampleEvent(Date.now(), 1), sub: attack, client: attack, network: attack, detail: attack, node: attack },
    ]
    sample.signals = [
      {
        ...(sample.signals[0] ?? never()),
        what: attack,
        why: attack,
        sub: attack,
        rule: attack,
        numbers: { [attack]: 1 },
      },
    ]
    sample.sessions = [{ ...(sample.sessions[0] ?? never()), sub: attack, device: attack, ip: attack }]
    sample.overview.nodes = [{ ...(sample.overview.nodes[0] ?? never()), node: attack, version: attack }]
    sample.overview.store = attack
  })
  const dialogs: string[] = []
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message())
    void dialog.dismiss()
  })
  const views: [hash: string, heading: string][] = [
    ['#/now', 'Now'],
    ['#/signals', 'Signals'],
    ['#/sessions', 'Sessions'],
    ['#/sessions?after=0', 'Sessions'],
    [`#/sessions?sub=${encodeURIComponent(attack)}`, 'Sessions'],
    [`#/sessions/${encodeURIComponent(attack)}`, 'Session'],
    ['#/events', 'Events'],
    [`#/events?sub=${encodeURIComponent(attack)}`, 'Events'],
    ['#/system', 'System'],
  ]
  for (const [hash, heading] of views) {
    await show(page, hash, heading)
    t.ok(await page.getByText(attack).count(), `${hash} shows it as it is`)
    t.equal(await page.locator('main img, main script, main iframe').count(), 0, hash)
  }
  sample.send('event', { ...sampleEvent(Date.now(), 2), reason: attack, sub: attack })
  await page.evaluate(`history.replaceState(null, '', '#/%E0%A4%A<svg onload=alert(3)>')`)
  await page.reload()
  await signIn(page)
  await page.getByRole('heading', { name: 'No such view' }).waitFor()
  t.strictSame(dialogs, [])
  t.strictSame(faults, [])
})

function never(): never {
  throw new Error('the sample has none')
}

t.test('markup has no way into the page, even for a script of its own', async (t) => {
  const { page } = await openView(t, browser, '#/now')
  const tried = await page.evaluate(`(() => {
    try { document.body.innerHTML = '<p>in</p>'; return 'in' } catch (error) { return error.name }
  })()`)
  t.equal(tried, 'TypeError')
  const evaluated = await page.addScriptTag({ content: 'globalThis.inline = true' }).then(
    () => page.evaluate('globalThis.inline === true'),
    () => false,
  )
  t.equal(evaluated, false)
})

t.test('when the stream breaks the page says so, comes back by itself, and asks for what it missed', async (t) => {
  const { sample, page, faults } = await openView(t, browser, '#/events')
  sample.isStreamRefused = true
  sample.cutStreams()
  const banner = page.locator('.not-live')
  await banner.waitFor()
  t.match(await banner.innerText(), /Not live\..*Last heard at \d\d:\d\d/s)
  await page.locator('[data-live=waiting]').waitFor()
  t.match(await page.getByRole('status').innerText(), /^Not live:/)

  const missed = { ...sampleEvent(Date.now(), 5000), sub: 'missed.meanwhile' }
  sample.events.unshift(missed)
  sample.isStreamRefused = false
  await page.getByRole('button', { name: 'Try now' }).click()
  await eventually('the stream is open', () => sample.streams === 1)
  sample.send('usage', { at: new Date().toISOString(), counts: {} })
  await page.getByText('missed.meanwhile').waitFor()
  t.equal(await banner.count(), 0)
  t.strictSame(faults, [])
})

t.test('events arrive at the top, wait while paused, are filtered, and go back page by page', async (t) => {
  const { sample, page, faults } = await openView(t, browser, '#/events?sub=mira.okafor')
  const rows = page.locator('tbody tr')
  const count = await rows.count()
  t.equal(count, 50, 'one page, however many there are')
  const come = (serial: number, sub: string) => sample.send('event', { ...sampleEvent(Date.now(), serial), sub })
  come(9001, 'mira.okafor')
  come(9002, 'jonas.lind')
  await eventually('one of the two is shown', async () => (await rows.count()) === count + 1)

  await page.getByRole('button', { name: 'Pause' }).click()
  come(9003, 'mira.okafor')
  await page.getByRole('button', { name: 'Show 1 new' }).click()
  await eventually('it is let in', async () => (await rows.count()) === count + 2)
  for (let serial = 9100; serial < 9400; serial += 1) come(serial, 'mira.okafor')
  await eventually('many are shown', async () => (await rows.count()) >= 200)
  t.equal(await rows.count(), 200, 'and never more than the limit')

  await goTo(page, '#/events')
  await page.getByRole('link', { name: 'Older' }).press('Enter')
  await page.getByText('Older events.').waitFor()
  t.match(await page.locator(':focus').innerText(), /^Older events/, 'the focus is at the head of the page')
  await eventually('the page behind is asked for', () => sample.asked.at(-1)?.includes('before=e351') === true)
  await page.getByLabel('Reason').selectOption('login_failed')
  await page.getByRole('row').filter({ hasText: 'Sign-in failed' }).first().waitFor()
  t.match(new URL(page.url()).hash, /^#\/events\?reason=login_failed$/)
  t.equal(await page.getByRole('row').filter({ hasText: 'Refreshed' }).count(), 0)
  await page.goBack()
  await page.getByText('Older events.').waitFor()
  t.strictSame(faults, [])
})

t.test('signals go back page by page, of one severity if asked, and the way back is the browser’s', async (t) => {
  const { sample, page, faults } = await openView(t, browser, '#/signals', {}, (sample) => {
    const [alarm, warning] = [sample.signals[0] ?? never(), sample.signals[1] ?? never()]
    sample.signals = Array.from({ length: 130 }, (_, i) => ({
      ...(i % 2 === 0 ? alarm : warning),
      id: `s${i}`,
      what: `Signal number ${i}.`,
    }))
  })
  const shown = () => page.getByRole('heading', { level: 2 }).allInnerTexts()
  const arrive = (first: string) => page.getByRole('heading', { name: first, exact: true }).waitFor()
  await arrive('Signal number 0.')
  t.equal((await shown()).length, 50, 'one page, however many there are')
  await page.getByRole('link', { name: 'Older' }).press('Enter')
  await arrive('Signal number 50.')
  t.equal((await shown()).at(-1), 'Signal number 99.')
  t.match(await page.locator(':focus').innerText(), /^Older signals/, 'the focus is at the head of the page')
  await page.getByRole('link', { name: 'Older' }).click()
  await arrive('Signal number 100.')
  await page.getByText('That is all that is kept.').waitFor()
  t.equal((await shown()).length, 30)
  await page.goBack()
  await arrive('Signal number 50.')
  await page.getByRole('button', { name: 'alarm' }).click()
  await arrive('Signal number 2.')
  t.strictSame((await shown()).slice(0, 2), ['Signal number 0.', 'Signal number 2.'])
  t.equal(await page.locator(':focus').innerText(), 'alarm', 'a choice keeps the focus')
  await page.getByRole('link', { name: 'Older' }).click()
  await arrive('Signal number 128.')
  sample.signals = []
  await page.getByRole('link', { name: 'Back to now' }).click()
  await page.getByText('No signals of severity “alarm”').waitFor()
  t.strictSame(faults, [])
})

t.test('live counts move the numbers; the same numbers are there as a table', async (t) => {
  const { sample, page } = await openView(t, browser, '#/now')
  const number = page.locator('[data-tile=reused] .tile-number')
  t.equal(await number.innerText(), '1')
  // With its first counts a new stream makes the page ask again for what it may have missed.
  const asked = page.waitForResponse('**/usage/history*')
  sample.send('usage', { at: new Date().toISOString(), counts: {} })
  await asked
  sample.send('usage', { at: new Date().toISOString(), counts: { reused: 2 } })
  await eventually('the tile counts', async () => (await number.innerText()) === '3')
  t.match(await page.locator('.chart-place').getAttribute('aria-label'), /^Refreshes in the last hour: .* 3 reused\.$/)
  await page.getByText('The same as a table').click()
  const table = page.getByRole('table', { name: 'Refreshes by outcome, newest first' })
  t.match(await table.getByRole('row').nth(1).innerText(), /\s2$/, 'the newest row has them')
  await page.getByRole('button', { name: 'Last day' }).click()
  await page.getByText('in the last day.').waitFor()
})

t.test('the first line says the worst of the last hour, however many lesser signals came after it', async (t) => {
  const { sample, page } = await openView(t, browser, '#/system', {}, (sample) => {
    const of = (id: string, severity: 'info' | 'warning' | 'alarm', minutesAgo: number, what: string) => ({
      ...(sample.signals[0] ?? never()),
      ...{ id, severity, what, at: new Date(Date.now() - minutesAgo * 60_000).toISOString() },
    })
    const infos = Array.from({ length: 9 }, (_, i) => of(`i${i}`, 'info', 1, 'A session is used from another network.'))
    sample.signals = [...infos, of('w', 'warning', 20, 'A warning.'), of('a', 'alarm', 40, 'The store lost writes.')]
  })
  const reasons = { rotated: Array.from({ length: 60 }, () => 1) }
  await page.route('**/usage/history*', (route) =>
    route.fulfill({ json: { step_seconds: 60, from: new Date(Date.now() - 3_540_000).toISOString(), reasons } }),
  )
  const sees = async (text: string) => {
    await goTo(page, '#/system')
    await goTo(page, '#/now')
    await page.locator('.summary-text').getByText(text).waitFor()
  }
  await sees('The store lost writes.')
  t.match(await page.getByRole('link', { name: 'See it' }).getAttribute('href'), 'severity=alarm')
  const alarm = sample.signals.at(-1) ?? never()
  alarm.at = new Date(Date.now() - 70 * 60_000).toISOString()
  await sees('No reuse; there are signals to look at.')
  await page.getByRole('button', { name: 'Last day' }).click()
  await page.locator('.summary-text').getByText('The store lost writes.').waitFor()
  sample.signals = sample.signals.slice(0, 9)
  await sees('Quiet: no reuse')
})

t.test('a node that lags or falls silent is named, and what that means is said', async (t) => {
  const { page } = await openView(t, browser, '#/now', {}, ({ overview: { nodes } }) => {
    if (nodes[1]) nodes[1].revocation_log_age_ms = 12_000
    if (nodes[2]) nodes[2].seen_at = new Date(Date.now() - 90_000).toISOString()
  })
  await page.getByText('gate-b, gate-c: news of revocations is late there.').waitFor()
  await page.getByRole('link', { name: 'See the nodes' }).click()
  await page.getByRole('heading', { name: 'Nodes' }).waitFor()
  t.match(await page.getByRole('row').filter({ hasText: 'gate-b' }).innerText(), /behind.*12\.0 s/s)
  t.match(await page.getByRole('row').filter({ hasText: 'gate-c' }).innerText(), /not heard.*cannot reach the store/s)
  t.match(await page.getByRole('row').filter({ hasText: 'gate-a' }).innerText(), /up to date/)
})

t.test('nothing there, nothing found, nothing answered: each says what it is', async (t) => {
  const { sample, page } = await openView(t, browser, '#/now', {}, (sample) => {
    sample.events = []
    sample.signals = []
  })
  await page.getByText('Nothing has happened yet').waitFor()
  await page.getByText('No signals').waitFor()
  await show(page, '#/sessions?sub=nobody', 'Sessions')
  await page.getByText('nobody has no live session').waitFor()
  await show(page, '#/sessions/not-a-session', 'Session')
  await page.getByText('There is no such session').waitFor()
  await show(page, '#/sessions?sub=svc-reports', 'Sessions')
  t.equal(await page.locator('tbody tr').count(), 25, 'of sixty, a page')
  await page.route('**/admin/overview', (route) =>
    route.fulfill({ status: 503, json: { title: 'The store is away.' } }),
  )
  await page.evaluate(`location.hash = '#/system'`)
  await page.getByRole('alert').getByText('The store is away.').waitFor()
  await page.unroute('**/admin/overview')
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.getByRole('heading', { name: 'Nodes' }).waitFor()
  t.equal(sample.ended.length, 0)
})

t.test('the theme is the system’s until it is chosen, and then stays; the keys can be switched off', async (t) => {
  const { page } = await openView(t, browser, '#/system', { colorScheme: 'dark' })
  const paper = () => page.evaluate<string>(`getComputedStyle(document.documentElement).backgroundColor`)
  const dark = await paper()
  await page.keyboard.press('t')
  t.not(await paper(), dark)
  await page.reload()
  await signIn(page)
  await page.getByRole('heading', { name: 'Nodes' }).waitFor()
  t.not(await paper(), dark)
  await page.keyboard.press('?')
  const list = page.getByRole('dialog', { name: 'Keys' })
  await list.getByLabel('Single keys do something').uncheck()
  await page.keyboard.press('Escape')
  await page.keyboard.press('t')
  await page.keyboard.press('?')
  t.equal(await list.count(), 0)
  t.not(await paper(), dark)
})

const views: [hash: string, heading: string][] = [
  ['#/now', 'Now'],
  ['#/signals', 'Signals'],
  ['#/sessions', 'Sessions'],
  ['#/sessions?after=25', 'Sessions'],
  ['#/sessions?sub=jonas.lind', 'Sessions'],
  [`#/sessions/${reusedSid}`, 'Session'],
  [`#/sessions/${'a'.repeat(32)}`, 'Session'],
  ['#/events', 'Events'],
  ['#/system', 'System'],
]

t.test(
  'on the smallest phone every view is in reach, and a long name without a blank stays in its place',
  async (t) => {
    const client = 'x'.repeat(64)
    const small = { viewport: { width: 320, height: 640 } }
    const { page } = await openView(t, browser, '#/events', small, (sample) => {
      sample.events = sample.events.map((event) => ({ ...event, client }))
      sample.sessions = sample.sessions.map((session) => session && { ...session, device: client })
    })
    for (const title of ['Now', 'Signals', 'Sessions', 'Events', 'System']) {
      const box = await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: title }).boundingBox()
      t.ok(box && box.x >= 0 && box.x + box.width <= 320, `${title}: ${JSON.stringify(box)}`)
    }
    await page.getByText(client).first().waitFor()
    const cut = `[...document.querySelectorAll('.table-events td')].filter((cell) => cell.scrollWidth > cell.clientWidth)`
    t.strictSame(await page.evaluate(`${cut}.map((cell) => cell.innerText)`), [])
    t.strictSame(await seriousFaults(page), [])
    await show(page, '#/sessions?after=0', 'Sessions')
    const subject = page.locator('.table .subject').first()
    await subject.waitFor()
    const { height = 0 } = (await subject.boundingBox()) ?? {}
    t.ok(height < 30, `a subject is on one line: ${height}`)
  },
)

async function seriousFaults(page: Page): Promise<string[]> {
  // Boundary: what axe-core answers; only names and places are looked at.
  const found = (await page.evaluate(`${axe}; axe.run({ resultTypes: ['violations'] })`)) as {
    violations: { id: string; impact: string; nodes: { html: string }[] }[]
  }
  return found.violations.flatMap(({ id, impact, nodes }) => nodes.map(({ html }) => `${impact} ${id}: ${html}`))
}

for (const colorScheme of ['light', 'dark'] as const) {
  t.test(
    `axe-core finds no fault on any view, ${colorScheme}, and no view is wider than the smallest screen`,
    async (t) => {
      const sample = await startSampleGateway(t)
      const { page, context, faults } = await openPage(browser, { colorScheme, viewport: { width: 360, height: 740 } })
      t.teardown(() => context.close())
      await page.goto(`${sample.url}/ops`)
      await page.getByLabel('User name').waitFor()
      t.strictSame(await seriousFaults(page), [], 'door')
      await signIn(page)
      for (const [hash, heading] of views) {
        await page.setViewportSize({ width: 360, height: 740 })
        await show(page, hash, heading)
        t.ok((await page.evaluate<number>('document.documentElement.scrollWidth')) <= 360, `${hash} fits`)
        await page.setViewportSize({ width: 1280, height: 900 })
        t.strictSame(await seriousFaults(page), [], hash)
      }
      await page.keyboard.press('?')
      t.strictSame(await seriousFaults(page), [], 'dialog')
      await page.keyboard.press('Escape')
      sample.isStreamRefused = true
      sample.cutStreams()
      await page.locator('.not-live').waitFor()
      t.strictSame(await seriousFaults(page), [], 'not live')
      t.strictSame(faults, [])
    },
  )
}
