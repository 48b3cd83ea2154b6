// Waiting for the world outside a test: another process, a socket, a timer that is not the test's own. Everything else is
// driven by a clock that the test holds.
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'

const askEveryMs = 5

/**
 * Waits until something has come true.
 * @param what names it, for the failure
 * @param deadlineMs how long it may take
 * @throws Error naming it when it has not come true in time
 */
export async function eventually(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  deadlineMs = 10_000,
): Promise<void> {
  const end = performance.now() + deadlineMs
  while (!(await isTrue())) {
    if (performance.now() > end) throw new Error(`never happened: ${what}`)
    await delay(askEveryMs)
  }
}

/** Does something again and again until the test is over. */
export function repeatedly(t: Test, everyMs: number, action: () => void): void {
  const timer = setInterval(action, everyMs)
  t.teardown(() => clearInterval(timer))
}
