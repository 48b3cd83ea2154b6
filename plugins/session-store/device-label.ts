// The label of a client, for people who look at their sessions: "Firefox 128 on Linux". A label, never evidence: a client
// writes what it likes into its User-Agent field.

/**
 * Longest label, in characters. A whole User-Agent field would say less to a person and cost the store its compact record.
 */
export const deviceLabelLimit = 30

// The first that matches names the browser: each of them also claims to be those after it.
const browsers: [name: string, pattern: RegExp][] = [
  ['Edge', /\bEdg(?:A|iOS)?\/(\d{1,4})/],
  ['Opera', /\bOPR\/(\d{1,4})/],
  ['Samsung', /\bSamsungBrowser\/(\d{1,4})/],
  ['Firefox', /\b(?:Firefox|FxiOS)\/(\d{1,4})/],
  ['Chrome', /\b(?:HeadlessChrome|Chrome|CriOS)\/(\d{1,4})/],
  ['Safari', /\bVersion\/(\d{1,4})[\d.]* (?:Mobile\/\S+ )?Safari\//],
]

const platforms: [name: string, pattern: RegExp][] = [
  ['iPhone', /\biPhone\b/],
  ['iPad', /\biPad\b/],
  ['Android', /\bAndroid\b/],
  ['Windows', /\bWindows\b/],
  ['ChromeOS', /\bCrOS\b/],
  ['macOS', /\bMac OS X\b/],
  ['Linux', /\bLinux\b/],
]

/**
 * A label out of a User-Agent field (RFC 9110 section 10.1.5).
 * @param userAgent as received; '' when there was none
 * @returns browser and platform where they are known, else the field's first product; printable ASCII, at most
 * `deviceLabelLimit` characters
 */
export function deviceLabel(userAgent: string): string {
  const browser = browserOf(userAgent)
  const platform = platforms.find(([, pattern]) => pattern.test(userAgent))?.[0]
  if (browser !== undefined) return platform === undefined ? browser : `${browser} on ${platform}`
  const [product = ''] = userAgent
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .split(' ', 1)
  return product.slice(0, deviceLabelLimit)
}

const labels = new Map<string, string>()
const rememberedLabels = 1000
const maxRemembered = 512

/** The same, for those who ask again and again. Bounded in memory and, for a long field, in time. */
export function rememberedLabel(userAgent: string): string {
  const known = labels.get(userAgent)
  if (known !== undefined) return known
  const label = deviceLabel(userAgent.slice(0, maxRemembered))
  if (userAgent.length > maxRemembered) return label
  if (labels.size >= rememberedLabels) labels.clear()
  labels.set(userAgent, label)
  return label
}

/**
 * Whether two labels name the same program on the same platform. Its version does not count: it changes under a living session.
 * @param label as `deviceLabel` gave it
 * @param other likewise
 */
export function isSameClient(label: string, other: string): boolean {
  return withoutVersion(label) === withoutVersion(other)
}

// "Firefox 128 on Linux", "okhttp/4.9.3"
function withoutVersion(label: string): string {
  return label.replace(/[ /]v?\d.*?(?= on |$)/, '')
}

function browserOf(userAgent: string): string | undefined {
  for (const [name, pattern] of browsers) {
    const version = pattern.exec(userAgent)?.[1]
    if (version !== undefined) return `${name} ${version}`
  }
  return undefined
}
