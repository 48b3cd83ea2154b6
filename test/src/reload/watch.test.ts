// Tests of when the config is read anew, with the files and the reading in the test's own hands.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { type Config, loadConfig } from '../../../src/config/index.ts'
import { Reloading } from '../../../src/reload/watch.ts'
import { eventually } from '../../support/eventually.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

t.test('what was read while the file was written anew is not used, nor are its mistakes', async (t) => {
  const file = join(temporaryFolder(t), 'cardea.config.yaml')
  const whole: Config = loadConfig({ env: {}, directory: '/nowhere' })
  const torn: Config = { ...whole, routes: [] }
  writeFileSync(file, 'before')
  const logged: string[] = []
  const log = pino({}, { write: (line: string) => void logged.push(line) })
  const used: Config[] = []
  let readings = 0
  const read = () => {
    readings += 1
    if (readings < 3) writeFileSync(file, `still being written ${readings}`)
    if (readings === 1) throw new Error('half a word')
    return readings === 2 ? torn : whole
  }
  Reloading.start({ log: () => log, files: () => [file], read, use: async (config) => void used.push(config) })
  const [listener] = process.listeners('SIGHUP').slice(-1)
  t.teardown(() => void (listener && process.off('SIGHUP', listener)))
  process.emit('SIGHUP')
  await eventually('it is used', () => used.length > 0)
  t.equal(used[0], whole)
  t.equal(readings, 3)
  t.notMatch(logged.join(''), /half a word/)
})
