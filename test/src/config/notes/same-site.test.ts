// Allowed origins: which are no exact ones, and are a mistake; and which are of another site than the issuer, which is said at
// the start, for no browser keeps a cookie there.
import t from 'tap'
import { ConfigError, loadConfig } from '../../../../src/config/index.ts'

const issuer = 'https://auth.example.co.uk'

function notesOf(origins: string, env: Record<string, string> = {}): string[] {
  const { notes } = loadConfig({
    env: { CARDEA_ISSUER: issuer, CARDEA_ALLOWED_ORIGINS: origins, ...env },
    directory: '/nowhere',
  })
  return notes.filter((note) => note.includes('CARDEA_ALLOWED_ORIGINS'))
}

t.test('an allowed origin of another site is noted', async (t) => {
  const others = [
    'http://app.example.co.uk',
    'https://app.other.co.uk',
    'https://example.com',
    'https://co.uk',
    'capacitor://localhost',
    'tauri://localhost',
    'https://10.0.0.1',
  ]
  for (const origin of others) {
    const [note, ...more] = notesOf(origin)
    t.match(note, `holds ${origin}, not of the same site as the issuer ${issuer}`, origin)
    t.match(note, '"delivery": "body"')
    t.same(more, [])
  }
  t.equal(notesOf(others.join(',')).length, 1, 'all of them in one sentence')
})

t.test('one of the same site is not', async (t) => {
  for (const origin of [
    'https://example.co.uk',
    'https://app.example.co.uk',
    'https://a.b.example.co.uk:8443',
    issuer,
  ]) {
    t.same(notesOf(origin), [], origin)
  }
  t.same(notesOf('chrome-extension://abcdefghijklmnop'), [], 'a browser sends cookies for an extension that may')
  t.same(notesOf('http://localhost:5173', { CARDEA_ISSUER: 'http://127.0.0.1:3000' }), [], 'it may call localhost')
  t.same(notesOf('https://10.0.0.1:5173', { CARDEA_ISSUER: 'https://10.0.0.1' }), [])
})

t.test('a public suffix is nobody’s site', async (t) => {
  const env = { CARDEA_ISSUER: 'https://bob.github.io' }
  t.equal(notesOf('https://alice.github.io', env).length, 1)
  t.equal(notesOf('https://www.bob.github.io', env).length, 0)
})

t.test('what is no exact origin is a mistake, * too', async (t) => {
  const wrong = [
    ...['https://*.example.com', 'capacitor://*', 'capacitor://localhost/', 'Capacitor://localhost', 'capacitor://'],
    ...['wss://a', 'file://', 'javascript://a', 'blob://a', 'data://a', 'a:b', 'capacitor://a@b', 'app://a:0'],
  ]
  for (const origin of wrong) {
    t.throws(
      () => notesOf(origin),
      /CARDEA_ALLOWED_ORIGINS is .*: write exact origins such as .*each by itself/,
      origin,
    )
    t.throws(() => notesOf(`https://a.example,${origin}`), ConfigError)
  }
})
