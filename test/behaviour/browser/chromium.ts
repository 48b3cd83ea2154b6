// A real browser for tests: Chromium from PATH; else from Debian's package, as root; else a sentence. Every page it opens
// tells of errors that the test did not expect.
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { debianProgram } from '../../support/processes/debian-program.ts'

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

const program = {
  names: ['chromium', 'chromium-browser', 'google-chrome'],
  package: 'chromium',
  otherwise: 'Browser tests need Chromium: install it (Debian: apt-get install chromium).',
}

/**
 * Starts a browser; it ends with the test.
 * @param moreFlags of the command line
 * @throws Error with the sentence that says what to install
 */
export async function startBrowser(t: Ending, moreFlags: readonly string[] = []): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: debianProgram(program), args: [...flags, ...moreFlags] })
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
    const isProblem = message.text().startsWith('Failed to load resource')
    if (['error', 'warning'].includes(message.type()) && !isProblem) faults.push(message.text())
  })
  page.on('pageerror', (error) => faults.push(`${error}`))
  return { page, context, faults }
}
