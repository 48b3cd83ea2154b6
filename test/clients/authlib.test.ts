// Authlib (Python) against the gateway, as its documentation says: a session that refreshes by itself, and an OAuthError with
// the word that the app looks for.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { password } from '../support/gateway.ts'
import { debianProgram } from '../support/processes/debian-program.ts'
import { listeningGateway } from './scene.ts'

const program = fileURLToPath(new URL('app.py', import.meta.url))

// Debian's own interpreter: its packages are there for no other one.
function pythonWithAuthlib(): string {
  const otherwise = 'this test needs Authlib and requests for Python: apt-get install python3-authlib python3-requests'
  const modules = ['authlib', 'requests']
  for (const module of modules) {
    const needs = { file: `/usr/lib/python3/dist-packages/${module}/__init__.py`, package: `python3-${module}` }
    debianProgram({ names: ['python3'], package: 'python3', needs, otherwise })
  }
  return '/usr/bin/python3'
}

t.test('Authlib signs in, refreshes by itself, and the app sees invalid_grant', async (t) => {
  const { url } = await listeningGateway(t)
  const { stdout } = await promisify(execFile)(pythonWithAuthlib(), [program, url, 'alice', password], {
    timeout: 60_000,
    env: { ...process.env, AUTHLIB_INSECURE_TRANSPORT: '1', NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1' },
  })
  const steps = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.match(steps, [
    { step: 'signed_in', scope: 'orders:read orders:write' },
    { step: 'refreshed', again: false },
    { step: 'asked', status: 200, kept: 2 },
    { step: 'refused', error: 'invalid_grant', description: /sign in again/ },
  ])
  t.equal(steps.length, 4)
})
