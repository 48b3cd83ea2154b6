// The operators' page at a view, on answers that are made up.
import type { Browser, Page } from 'playwright-core'
import type { Test } from 'tap'
import { openPage, type WatchedPage } from '../chromium.ts'
import { type SampleGateway, startSampleGateway } from './gateway.ts'

interface Scene extends WatchedPage {
  sample: SampleGateway
}

type Options = Parameters<typeof openPage>[1]

/** A signed-in page at a view, on made-up answers that `prepare` may change before; both end with the test. */
export async function openView(
  t: Test,
  browser: Browser,
  hash: string,
  options: Options = {},
  prepare = (_: SampleGateway) => {},
): Promise<Scene> {
  const sample = await startSampleGateway(t)
  prepare(sample)
  const watched = await openPage(browser, options)
  t.teardown(() => watched.context.close())
  await watched.page.goto(`${sample.url}/ops${hash}`)
  await signIn(watched.page)
  return { sample, ...watched }
}

/** Signs the made-up operator in, and waits until the page is live. */
export async function signIn(page: Page): Promise<void> {
  await page.getByLabel('User name').fill('root')
  await page.getByLabel('Password').fill('a password')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.locator('[data-live=live]').waitFor()
}
