// The table of settings: each can be written where it says, and is checked; and what the monitoring settings come to.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ConfigError, type Environment, loadConfig } from '../../../src/config/index.ts'
import { settings } from '../../../src/config/settings/index.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

// What must stand beside another setting does so.
const beside = { CARDEA_WEBHOOK_SECRET: 'a secret of the webhook' }

function load(t: Test, env: Environment, file = '') {
  const directory = temporaryFolder(t)
  writeFileSync(join(directory, 'cardea.config.yaml'), file)
  return loadConfig({ env: { ...beside, ...env }, directory })
}

function violations(t: Test, env: Environment): string[] {
  try {
    load(t, env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.violations
    throw error
  }
}

t.test('each setting that stands in the file can be written there, and in the environment', async (t) => {
  const samples: Record<string, [inFile: string, inEnvironment: string]> = {
    issuer: ['https://a.example', 'https://b.example'],
    docs: ['false', 'true'],
    logLevel: ['error', 'info'],
    audiences: ['[a]', 'b,c'],
    trustedProxies: ['[10.0.0.1]', '10.0.0.0/8'],
    allowedOrigins: ['["https://a.example", "tauri://localhost"]', 'https://b.example,chrome-extension://abc'],
    hosts: ['[app.example]', 'app.example:8443, [::1]'],
    drainMs: ['5s', '0s'],
    connections: ['1000', '2000'],
    idleConnections: ['500', '1000'],
    redisUrl: ['redis://a', 'redis+sentinel://a,b:1/gw'],
    node: ['a-1', 'b.2'],
    metricsListen: ['"[::1]:9464"', '127.0.0.1:9464'],
    signalActions: ['[reuse=revoke]', 'client_changed=login, reuse=report'],
    signalThresholds: ['[refresh_rate=3]', 'dormant_woke=1'],
    webhookUrl: ['https://a.example/x', 'http://127.0.0.1:9/x'],
  }
  for (const [member, setting] of Object.entries(settings)) {
    if (!setting.key) continue
    const [inFile, inEnvironment] = samples[member] ?? [String(setting.fallback), String(setting.fallback)]
    const file = setting.key.split('.').reduceRight((value, key) => `{ ${key}: ${value} }`, inFile)
    t.doesNotThrow(() => load(t, {}, file), `${setting.key} in the file`)
    t.doesNotThrow(() => load(t, { [setting.name]: inEnvironment }, file), `${setting.name} in the environment`)
    t.match(violations(t, { [setting.name]: '\0' }), [new RegExp(`^${setting.name} `)], `${setting.name} is checked`)
  }
})

t.test('the monitoring settings come to what events, metrics and signals are wired with', async (t) => {
  const config = load(t, {
    CARDEA_EVENT_NETWORK: '16/56',
    CARDEA_METRICS: '[::1]:9464',
    CARDEA_SIGNAL_ACTIONS: 'reuse=revoke,dormant_woke=login',
    CARDEA_SIGNAL_THRESHOLDS: 'refresh_rate=30',
    CARDEA_WEBHOOK_URL: 'https://hooks.example/cardea',
  })
  t.match(config, {
    events: { network: { ipv4: 16, ipv6: 56 } },
    metrics: { listen: { host: '::1', port: 9464 } },
    signals: { actions: { reuse: 'revoke', dormant_woke: 'login' }, thresholds: { refresh_rate: 30 } },
    webhook: { url: 'https://hooks.example/cardea', secret: beside.CARDEA_WEBHOOK_SECRET },
  })
})

t.test('a monitoring setting that is wrong is refused', async (t) => {
  const wrong: [name: string, value: string][] = [
    ['CARDEA_NODE', 'a b'],
    ['CARDEA_NODE', 'a\tb'],
    ['CARDEA_EVENT_NETWORK', '33/48'],
    ['CARDEA_EVENT_NETWORK', '24'],
    ['CARDEA_METRICS', '9464'],
    ['CARDEA_METRICS', 'a:99999'],
    ['CARDEA_METRICS_TOKEN', 'short'],
    ['CARDEA_SIGNAL_ACTIONS', 'reuse'],
    ['CARDEA_SIGNAL_ACTIONS', 'reuse=delete'],
    ['CARDEA_SIGNAL_ACTIONS', 'constructor=report'],
    ['CARDEA_SIGNAL_ACTIONS', 'login_failures_subject=revoke'],
    ['CARDEA_SIGNAL_THRESHOLDS', 'reuse=0'],
    ['CARDEA_SIGNAL_THRESHOLDS', 'reuse=many'],
    ['CARDEA_WEBHOOK_URL', 'http://hooks.example/'],
    ['CARDEA_WEBHOOK_URL', 'http://127.0.0.1.evil.example/'],
    ['CARDEA_WEBHOOK_URL', 'https://user:password@hooks.example/'],
    ['CARDEA_WEBHOOK_URL', 'file:///etc/passwd'],
  ]
  for (const [name, value] of wrong)
    t.match(violations(t, { [name]: value }), [new RegExp(`^${name} `)], `${name}=${value}`)
  const alone = violations(t, { CARDEA_WEBHOOK_URL: 'https://a.example', CARDEA_WEBHOOK_SECRET: '' })
  t.match(alone, [/^CARDEA_WEBHOOK_SECRET is missing/])
})
