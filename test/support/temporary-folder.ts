// A folder of a test's own, in the system's place for such things.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** Makes an empty folder that is removed, with all that is in it, when the test ends. @returns its absolute path */
export function temporaryFolder(t: Pick<Test, 'teardown'>): string {
  const folder = mkdtempSync(join(tmpdir(), 'cardea-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
