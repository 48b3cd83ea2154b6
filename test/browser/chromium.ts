// A real browser for tests: Chromium from PATH; else from Debian's package, as root; else a sentence. Started by the test
// that uses it, with a profile of its own, and ended with it. Every page it opens tells of errors that the test did not expect.
import { spawnSync } from 'node:child_process'
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

/** What a test needs of tap's `t`. */
interface Ending {
  teardown(close: () => Promise<void> | void): void
}

// No services of the browser's maker, no sandbox (which needs what containers lack), nothing that outlives the test.
const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Starts a browser; it ends with the test. @throws Error with the sentence that says what to install */
export async function startBrowser(t: Ending): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: browserProgram(), args: flags })
  t.teardown(() => browser.close())
  return browser
}

/** A page that is watched. */
export interface WatchedPage {
  page: Page
  context: BrowserContext
  /** Errors of the console, violations of the policy and exceptions so far; requests that were refused are none. */
  faults: string[]
}

/** Opens a page of a new profile. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', ...options })
  const page = await context.newPage()
  // Other tests have the machine, too.
  page.setDefaultTimeout(30_000)
  const faults: string[] = []
  page.on('console', (message) => {
    // What the gateway refuses is looked at by the tests themselves; the browser writes a line about each.
    const isRefusal = message.text().startsWith('Failed to load resource')
    if (['error', 'warning'].includes(message.type()) && !isRefusal) faults.push(message.text())
  })
  page.on('pageerror', (error) => faults.push(`${error}`))
  return { page, context, faults }
}

function browserProgram(): string {
  const found = onPath() ?? (installed() ? onPath() : undefined)
  if (found) return found
  throw new Error('Browser tests need Chromium: install it (Debian: apt-get install chromium).')
}

function onPath(): string | undefined {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    const { stdout, status } = spawnSync('which', [name], { encoding: 'utf8' })
    if (status === 0) return stdout.trim()
  }
  return undefined
}

function installed(): boolean {
  if (process.getuid?.() !== 0) return false
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const command of [['update'], ['install', '-y', '--no-install-recommends', 'chromium']]) {
    spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...command], { stdio: 'ignore', env })
  }
  return true
}
