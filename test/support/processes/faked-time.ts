// A process under a clock that a test sets while it runs: Debian's libfaketime, told by a file. Its monotonic clock goes on
// evenly. It changes the time of no other process.
import { execFileSync } from 'node:child_process'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { temporaryFolder } from '../temporary-folder.ts'
import { debianProgram } from './debian-program.ts'

export interface FakedTime {
  /** For the environment of the process. */
  env: Record<string, string>
  /** Sets its clock: seconds ahead of the real one, behind it when negative. */
  set(aheadSeconds: number): void
}

/** Prepares a clock that is right until it is set. */
export function fakedTime(t: Pick<Test, 'teardown'>): FakedTime {
  const program = debianProgram({
    names: ['faketime'],
    package: 'faketime',
    otherwise: 'Tests of clocks need libfaketime (Debian: apt-get install faketime).',
  })
  // The program knows where its library lies: it hands it to what it starts.
  const library = execFileSync(program, ['-f', '+0', 'printenv', 'LD_PRELOAD'], { encoding: 'utf8' }).trim()
  const file = join(temporaryFolder(t), 'time')
  const set = (aheadSeconds: number) => {
    writeFileSync(`${file}.draft`, `${aheadSeconds < 0 ? '' : '+'}${aheadSeconds}\n`)
    renameSync(`${file}.draft`, file)
  }
  set(0)
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  }
  return { env, set }
}
