// The scripts of package.json that run something for long: a signal to npm, which passes it to the shell it started, must reach
// what runs, or that lives on with nobody to end it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { eventually } from '../support/eventually.ts'
import { accepts, freePort } from '../support/processes/free-port.ts'
import { processEnvironment } from '../support/processes/process-environment.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const root = new URL('../..', import.meta.url).pathname
t.setTimeout(110_000)

t.test('npm start and SIGTERM to npm: the gateway ends with it', async (t) => {
  const port = await freePort()
  const npm = spawn('npm', ['start'], {
    cwd: root,
    detached: true,
    stdio: 'ignore',
    env: processEnvironment({ HOST: '127.0.0.1', PORT: String(port), CARDEA_DATA_DIR: temporaryFolder(t) }),
  })
  t.teardown(() => {
    try {
      process.kill(-(npm.pid ?? 0), 'SIGKILL')
    } catch {
      // All of it has ended, as it should.
    }
  })
  await eventually('it serves', () => accepts(port), 60_000)
  const exited = once(npm, 'exit')
  npm.kill('SIGTERM')
  await exited
  await eventually('nothing listens there any more', async () => !(await accepts(port)))
})

t.test('every script that runs programs of this project takes the place of the shell', async (t) => {
  const { scripts } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'))
  for (const name of ['start', 'cardea', 'bench', 'fuzz', 'soak', 'soak:mixed', 'soak:sessions', 'soak:lost-writes']) {
    t.match(scripts[name], /^([A-Z_]+=\S+ )*exec /, name)
  }
  for (const [name, script] of Object.entries<string>(scripts)) {
    t.notMatch(script, /^node /, name)
  }
})
