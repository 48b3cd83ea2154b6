// Tests of what production notes of Redis and services that it reaches in clear.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Config, type Environment, loadConfig } from '../../../../src/config/index.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

const production = {
  NODE_ENV: 'production',
  CARDEA_TRUSTED_PROXIES: 'none',
  CARDEA_SECRET: 'Zm9yIHRlc3RzIG9ubHksIDQ4IGJ5dGVzIG9mIG5vdGhpbmc',
  CARDEA_ISSUER: 'https://login.example.com',
}

function load(t: Test, env: Environment, file = 'routes: []'): Config {
  const directory = temporaryFolder(t)
  writeFileSync(join(directory, 'cardea.config.yaml'), file)
  return loadConfig({ env, directory })
}

t.test('production notes what it sends in clear over a network that is not its own', async (t) => {
  const routes = (...upstreams: string[]) =>
    `routes:\n${upstreams.map((upstream, i) => `  - { prefix: /r${i}, upstream: '${upstream}', policy: public }`).join('\n')}`
  const notesOf = (redis: string, ...upstreams: string[]) =>
    load(t, { ...production, REDIS_URL: redis }, routes(...upstreams)).notes.filter((note) => note.includes('in clear'))
  const secret = 'redis://gateway:hunter2@redis.example.com:6379'
  const notes = notesOf(
    secret,
    'http://203.0.113.7:8080',
    'https://203.0.113.7',
    'http://[2001:db8::7]',
    'http://api.example.com',
  )
  t.match(notes, [/REDIS_URL speaks to redis\.example\.com/, /203\.0\.113\.7/, /2001:db8::7/, /api\.example\.com/])
  t.equal(notes.length, 4)
  t.notMatch(notes.join(), /hunter2/)
  for (const redis of ['redis+sentinel://10.0.0.1,198.51.100.7/main', 'redis+cluster://10.0.0.1,198.51.100.7']) {
    t.match(notesOf(redis, 'http://localhost'), [/198\.51\.100\.7/])
  }
  const own = [
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.7.7',
    '100.64.0.1',
    '[::1]',
    '[fd00::1]',
    '[::ffff:10.0.0.1]',
  ]
  const names = ['localhost', 'orders', 'orders.shop.svc', 'orders.internal', 'printer.local']
  for (const redis of ['redis://127.0.0.1', 'redis://redis:6379', 'rediss://redis.example.com']) {
    t.strictSame(notesOf(redis, ...[...own, ...names].map((host) => `http://${host}:81`)), [], redis)
  }
  t.notMatch(load(t, { REDIS_URL: secret }).notes.join(), /in clear/, 'development is not warned')
})
