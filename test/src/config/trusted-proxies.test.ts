// Tests of which proxies are trusted: production must hear it from somebody, or hear that there are none.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ConfigError, loadConfig } from '../../../src/config/index.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const production = {
  NODE_ENV: 'production',
  CARDEA_SECRET: 'zY3kQ0vX9rT7mB2wL5nC8hJ4dF6gS1pA',
  CARDEA_ISSUER: 'https://login.example.com',
  CARDEA_TRUSTED_PROXIES: 'none',
}

function load(t: Test, env: Record<string, string>, file?: string) {
  const directory = temporaryFolder(t)
  if (file !== undefined) writeFileSync(join(directory, 'cardea.config.yaml'), file)
  return loadConfig({ env, directory })
}

function violations(t: Test, env: Record<string, string>, file?: string): string[] {
  try {
    load(t, env, file)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.violations
    throw error
  }
}

t.test('in production somebody must say which proxies are trusted, or that there are none', (t) => {
  const { CARDEA_TRUSTED_PROXIES: _, ...unsaid } = production
  t.match(violations(t, unsaid), [/^CARDEA_TRUSTED_PROXIES is missing: write the addresses .* or none/])
  t.strictSame(load(t, production).trustedProxies, [])
  t.strictSame(load(t, unsaid, 'trustedProxies: none').trustedProxies, [])
  t.strictSame(load(t, unsaid, 'trustedProxies: []').trustedProxies, [])
  t.strictSame(load(t, unsaid, 'trustedProxies: [10.0.0.0/8]').trustedProxies, ['10.0.0.0/8'])
  t.strictSame(load(t, {}).trustedProxies, [], 'development has none')
  t.match(violations(t, unsaid, 'trustedProxies: all'), [
    /^cardea\.config\.yaml:1 trustedProxies is "all": write .* none$/,
  ])
  t.end()
})
