// Draws the pictures of the operators' page that README shows, on lifelike made-up data: `node test/behaviour/browser/pictures.ts`.
// Run by hand when the page changes. The first view in light; in dark, why a person was logged out.
import { mkdir } from 'node:fs/promises'
import { openPage, startBrowser } from './chromium.ts'
import { reusedSid } from './sample/data.ts'
import { startSampleGateway } from './sample/gateway.ts'

const folder = new URL('../../../docs/pictures/', import.meta.url).pathname
const pictures = [
  { file: 'ops-light.png', colorScheme: 'light', hash: '#/now', height: 900 },
  { file: 'ops-dark.png', colorScheme: 'dark', hash: `#/sessions/${reusedSid}`, height: 800 },
] as const

const endings: (() => Promise<void> | void)[] = []
const scene = { teardown: (close: () => Promise<void> | void) => void endings.unshift(close) }

try {
  const sample = await startSampleGateway(scene)
  const browser = await startBrowser(scene)
  await mkdir(folder, { recursive: true })
  for (const { file, colorScheme, hash, height } of pictures) {
    const { page } = await openPage(browser, {
      colorScheme,
      viewport: { width: 1280, height },
      timezoneId: afternoonZone(),
      reducedMotion: 'reduce',
    })
    await page.goto(`${sample.url}/ops${hash}`)
    await page.getByLabel('User name').fill('root')
    await page.getByLabel('Password').fill('a password')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.locator('[data-live=live]').waitFor()
    await page.locator('[aria-busy]').first().waitFor({ state: 'detached' })
    await page.locator('.table-events, .timeline').first().waitFor()
    await page.screenshot({ path: `${folder}${file}` })
  }
} finally {
  for (const end of endings) await end()
}

/** Where it is early afternoon now: a day that begins in the middle of the picture would need a date at every time. */
function afternoonZone(): string {
  const ahead = 15 - new Date().getUTCHours()
  // The signs of these zones are the other way round (POSIX).
  return `Etc/GMT${ahead > 0 ? '-' : '+'}${Math.abs(ahead)}`
}
