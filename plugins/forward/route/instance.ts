// The instances of a service, as `upstream` of a route names them. No instance ever comes from a request.
import { isCanonicalPrefix } from '../../http-edge/request-target.ts'

/** An instance of a service, taken apart once: nothing of a request ever becomes a part of its origin. */
export interface Instance {
  /** `scheme://host[:port]`, or `unix:` and a path. */
  origin: string
  /** The Host field it is sent (RFC 9110 section 7.2). */
  host: string
  /** Path under which the service lives; `''` or `/base`. */
  base: string
  /** Requests that are with it now, streams apart. */
  requests: number
  /** WebSockets and event streams that are open to it. */
  streams: number
  /** Failures in a row; see balancing.ts. */
  failures: number
  /** How often in a row it was taken out. */
  timesOut: number
  /** Monotonic, ms: until then it gets no request; 0 when it is in. */
  outUntilMs: number
  isOnTrial: boolean
  /** Health checks failed in a row, and whether there were too many; see health-check.ts. */
  sickChecks: number
  isSick: boolean
}

const fresh = {
  requests: 0,
  streams: 0,
  failures: 0,
  timesOut: 0,
  outUntilMs: 0,
  isOnTrial: false,
  sickChecks: 0,
  isSick: false,
}

/** Takes an entry of `upstream` apart. @param upstream as its schema takes it */
export function instanceOf(upstream: string): Instance {
  // A socket has no name; this is what nginx, too, tells a service that it is called.
  if (upstream.startsWith('unix:')) return { origin: upstream, host: 'localhost', base: '', ...fresh }
  const pathStart = upstream.indexOf('/', upstream.indexOf('://') + 3)
  const origin = (pathStart === -1 ? upstream : upstream.slice(0, pathStart)).toLowerCase()
  const base = pathStart === -1 ? '' : upstream.slice(pathStart).replace(/\/$/, '')
  return { origin, host: origin.slice(origin.indexOf('://') + 3), base, ...fresh }
}

/** The base paths of a route's instances. */
export function basesOf(upstream: string | string[]): Set<string> {
  return new Set([upstream].flat().map((text) => instanceOf(text).base))
}

/** Whether an entry of `upstream` leads to somewhere. */
export function isUsable(upstream: string): boolean {
  if (upstream.startsWith('unix:')) return true
  const { base } = instanceOf(upstream)
  return URL.canParse(upstream) && new URL(upstream).port !== '0' && (base === '' || isCanonicalPrefix(base))
}

/** An origin in each spelling: with and without the port that the scheme implies, and relative to the scheme. */
export function spellingsOf(written: string): string[] {
  const origin = written.startsWith('unix:') ? written : written.toLowerCase()
  if (origin.startsWith('unix:')) return spellingsOf('http://localhost')
  const port = origin.startsWith('https:') ? ':443' : ':80'
  const spellings = [origin]
  if (!/:\d+$/.test(origin)) spellings.push(origin + port)
  else if (origin.endsWith(port)) spellings.push(origin.slice(0, -port.length))
  return spellings.flatMap((spelling) => [spelling, spelling.slice(spelling.indexOf('//'))])
}
