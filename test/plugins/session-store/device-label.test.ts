// Labels of devices: what real User-Agent fields become, and that nothing odd or long becomes anything else.
import t from 'tap'
import { deviceLabel, deviceLabelLimit, isSameClient } from '../../../plugins/session-store/device-label.ts'

const webkit = 'AppleWebKit/537.36 (KHTML, like Gecko)'
const seen: [userAgent: string, label: string][] = [
  ['Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', 'Firefox 128 on Linux'],
  [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${webkit} Chrome/126.0.0.0 Safari/537.36`, 'Chrome 126 on Windows'],
  [
    `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${webkit} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.2592.87`,
    'Edge 126 on Windows',
  ],
  [`Mozilla/5.0 (Linux; Android 10; K) ${webkit} Chrome/126.0.0.0 Mobile Safari/537.36`, 'Chrome 126 on Android'],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1',
    'Safari 17 on iPhone',
  ],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15',
    'Safari 17 on macOS',
  ],
  [`Mozilla/5.0 (X11; Linux x86_64) ${webkit} Chrome/126.0.0.0 Safari/537.36 OPR/112.0.0.0`, 'Opera 112 on Linux'],
  ['curl/8.9.1', 'curl/8.9.1'],
  ['Orders-App/3.2 (build 77; iOS)', 'Orders-App/3.2'],
  ['', ''],
  ['\u0000\u001b[31m\tred', '[31m'],
  ['<script>alert(1)</script>', '<script>alert(1)</script>'],
]

t.test('a label says what the device is, in few words', async (t) => {
  for (const [userAgent, label] of seen) t.equal(deviceLabel(userAgent), label)
})

t.test('two labels name the same client when only the version differs', async (t) => {
  const same = [
    ['Firefox 128 on Linux', 'Firefox 129 on Linux'],
    ['Chrome 9', 'Chrome 126'],
    ['curl/8.9.1', 'curl/8.10.0'],
    ['Orders-App/3.2-beta.1', 'Orders-App/v4'],
    ['', ''],
  ] as const
  for (const [one, other] of same) t.ok(isSameClient(one, other), `${one}, ${other}`)
  const different = [
    ['Firefox 128 on Linux', 'Firefox 128 on Windows'],
    ['Firefox 128 on Linux', 'Firefox 128'],
    ['Firefox 128 on Linux', 'Chrome 128 on Linux'],
    ['curl/8.9.1', 'curl'.repeat(2)],
    ['curl/8.9.1', ''],
    ['App2/1', 'App3/1'],
  ] as const
  for (const [one, other] of different) t.notOk(isSameClient(one, other), `${one}, ${other}`)
})

t.test('no field makes a label longer than the limit, or of anything but printable ASCII', async (t) => {
  const longest = [
    'x'.repeat(10_000),
    'é'.repeat(500),
    'SamsungBrowser/9999 Windows CrOS',
    'SamsungBrowser/9999 CrOS',
    `Version/1${'.1'.repeat(4_000)} Safari/`,
  ]
  for (const userAgent of longest) {
    const label = deviceLabel(userAgent)
    t.ok(label.length <= deviceLabelLimit, label)
    t.match(label, /^[\x20-\x7e]*$/)
  }
})
