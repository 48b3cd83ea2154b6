// The view of all live sessions, on answers that are made up: its pages, its place in the address, and what it says when there is
// nothing to show.
import t from 'tap'
import { startBrowser } from '../chromium.ts'
import { openView } from '../sample/view.ts'

const browser = await startBrowser(t)

t.test('all live sessions are paged by subject: one page is held, the way back and the keyboard work', async (t) => {
  const { sample, page, faults } = await openView(t, browser, '#/sessions')
  const section = page.locator('section').filter({ has: page.getByRole('heading', { name: 'All live sessions' }) })
  const rows = section.locator('tbody tr')
  await rows.first().waitFor()
  t.equal(await rows.count(), 25, 'of seventy, a page')
  t.match(await rows.first().innerText(), /^a\.petrov/)
  await section.getByText('Sessions of a.petrov to lucia.marin.').waitFor()
  await page.getByRole('heading', { name: 'Seen last' }).waitFor()

  await section.getByRole('link', { name: 'Next page' }).focus()
  await page.keyboard.press('Enter')
  await section.getByText('Sessions of lucia.marin to svc-reports.').waitFor()
  t.equal(await page.locator(':focus').innerText(), 'All live sessions', 'the focus does not fall to the top')
  t.equal(await page.getByRole('status').innerText(), 'Sessions of lucia.marin to svc-reports.')
  t.equal(await rows.count(), 25)
  t.equal(await page.getByRole('heading', { name: 'Seen last' }).count(), 0)
  await section.getByRole('link', { name: 'Next page' }).click()
  await section.getByText('That is all of them.').waitFor()
  t.equal(await rows.count(), 20)
  t.equal(await section.getByRole('link', { name: 'Next page' }).count(), 0)
  t.ok(sample.asked.every((url) => !url.startsWith('/admin/sessions') || /[?&]limit=([1-9]|1\d|2[0-5])$/.test(url)))

  await page.goBack()
  await section.getByText('Sessions of lucia.marin to svc-reports.').waitFor()
  await section.getByRole('link', { name: 'First page' }).click()
  await section.getByText('Sessions of a.petrov to lucia.marin.').waitFor()
  t.strictSame(faults, [])
})

t.test(
  'users without a session are passed over; where there are very many, the page says so and goes on',
  async (t) => {
    const { sample, page, faults } = await openView(t, browser, '#/sessions', {}, (sample) => {
      const [last] = sample.sessions
      sample.sessions = [...Array.from({ length: 450 }, () => undefined), last]
    })
    await page.getByText('None among so many users').waitFor()
    t.equal(sample.asked.filter((url) => url.startsWith('/admin/sessions')).length, 10, 'and asks no further by itself')
    await page.getByRole('link', { name: 'Next page' }).click()
    await page.getByText('None among so many users').waitFor()
    await page.getByRole('link', { name: 'Next page' }).click()
    await page.getByText('That is all of them.').waitFor()
    t.equal(await page.locator('tbody tr').count(), 1)
    sample.sessions = []
    await page.getByRole('button', { name: 'Look again' }).click()
    await page.getByText('None behind this place').waitFor()
    await page.getByRole('link', { name: 'First page' }).click()
    await page.getByText('No live session').waitFor()
    t.strictSame(faults, [])
  },
)

t.test('a question that Escape has closed opens again at once, however soon the next key comes', async (t) => {
  const { page, faults } = await openView(t, browser, '#/sessions?sub=mira.okafor')
  const dialog = page.getByRole('dialog', { name: 'End all sessions?' })
  await page.getByRole('button', { name: 'End all sessions' }).press('Enter')
  await dialog.waitFor()
  for (let i = 0; i < 20; i += 1) {
    // Sent together: the browser tells of the closing later than it closes.
    await Promise.all([page.keyboard.press('Escape'), page.keyboard.press('Enter')])
    t.ok(await dialog.isVisible(), `time ${i}`)
  }
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  t.strictSame(faults, [])
})
