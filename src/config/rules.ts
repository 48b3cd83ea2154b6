// The rules between the values of a config, each of which is right by itself. A rule never throws and never repairs: it says
// what is wrong, where, and what to write. No sentence holds a secret.

import { adminAudience } from '../../plugins/access-tokens/index.ts'
import { addressShare } from '../../plugins/body-parsers/memory.ts'
import { newPasswordProblem } from '../../plugins/credentials/password.ts'
import { isLoopback } from '../../plugins/http-edge/own-hosts.ts'
import { parseRedisUrl } from '../../plugins/session-store/redis/connection/address.ts'
import type { Draft } from './draft.ts'
import { clearTextNotes } from './notes/clear-text.ts'
import { otherSiteNotes } from './notes/same-site.ts'
import { findRouteViolations } from './route-rules.ts'
import { brevityOf, violationOf } from './secret-strength.ts'
import { type SettingMember, type SettingValues, settings } from './settings/index.ts'

/** What the rules found. */
export interface Conflicts {
  /** The gateway must not start. */
  violations: string[]
  /** It may start, and should say so. */
  notes: string[]
}

/**
 * Applies every rule. Defaults that a written value leaves no room for yield to it (a shorter absolute TTL shortens the others).
 * @param draft its `values` of TTLs may be lowered
 * @returns every mistake and every note
 */
export function findConflicts(draft: Draft): Conflicts {
  const found: Conflicts = { violations: [], notes: [] }
  checkTtls(draft, found)
  checkTimeouts(draft, found)
  checkIssuer(draft, found)
  checkSecrets(draft, found)
  checkAdminPassword(draft, found)
  checkTrustedProxies(draft, found)
  checkOrigins(draft, found)
  checkBodies(draft, found)
  checkListening(draft, found)
  checkProcesses(draft, found)
  if (draft.production) found.notes.push(...clearTextNotes(draft))
  checkAudiences(draft, found)
  checkWebhook(draft, found)
  if (draft.values.signingAlg === 'HS256') {
    found.notes.push('With HS256 there is no JWKS: no other service can check an access token, only this gateway.')
  }
  found.violations.push(...findRouteViolations(draft))
  return found
}

function nameOf({ places }: Draft, member: SettingMember): string {
  return places.get(member) ?? settings[member].name
}

// A body that no address may hold would be refused for ever.
function checkBodies(draft: Draft, { violations }: Conflicts): void {
  const { values, routes, placeInRoutes } = draft
  const { bodyMemoryBytes = Number.POSITIVE_INFINITY, bodyBytes = 0, loginBodyBytes = 0 } = values
  const most = Math.floor(bodyMemoryBytes * addressShare)
  const say = (place: string, bytes: number) =>
    violations.push(
      `${place} is ${bytes} bytes, more than the ${most} that one address may hold: lower it, or raise ${nameOf(draft, 'bodyMemoryBytes')}`,
    )
  if (bodyBytes > most) say(nameOf(draft, 'bodyBytes'), bodyBytes)
  if (loginBodyBytes > most) say(nameOf(draft, 'loginBodyBytes'), loginBodyBytes)
  for (const [at, { openapi }] of routes.entries()) {
    const bytes = typeof openapi === 'object' ? (openapi.bodyLimitBytes ?? 0) : 0
    if (bytes > most) say(placeInRoutes([at, 'openapi', 'bodyLimitBytes']), bytes)
  }
}

function checkTtls(draft: Draft, { violations, notes }: Conflicts): void {
  const { values, places } = draft
  const { absoluteTtlSeconds: absolute, graceMs } = values
  if (absolute !== undefined) {
    if (!places.has('idleTtlSeconds')) lower(values, 'idleTtlSeconds', absolute)
    if (!places.has('accessTtlSeconds')) lower(values, 'accessTtlSeconds', Math.max(1, Math.floor(absolute / 2)))
    const [idle, access] = [values.idleTtlSeconds ?? 0, values.accessTtlSeconds ?? 0]
    if (idle > absolute) {
      violations.push(
        `${nameOf(draft, 'idleTtlSeconds')} is ${idle}s, longer than the absolute TTL of ${absolute}s: shorten it, or lengthen ${nameOf(draft, 'absoluteTtlSeconds')}`,
      )
    }
    if (places.has('accessTtlSeconds') && access >= absolute) {
      violations.push(
        `${nameOf(draft, 'accessTtlSeconds')} is ${access}s, not shorter than the absolute TTL of ${absolute}s: shorten it, or lengthen ${nameOf(draft, 'absoluteTtlSeconds')}`,
      )
    }
  }
  const access = values.accessTtlSeconds
  if (graceMs !== undefined && access !== undefined && graceMs >= access * 1000) {
    notes.push(
      `The grace (${graceMs}ms) is not shorter than the life of an access token (${access}s); a few seconds are enough.`,
    )
  }
}

function lower(
  values: Partial<SettingValues>,
  member: 'idleTtlSeconds' | 'accessTtlSeconds',
  maxSeconds: number,
): void {
  const value = values[member]
  if (value !== undefined) values[member] = Math.min(value, maxSeconds)
}

// Node refuses to serve where the header fields may take longer than the whole request that they are a part of.
function checkTimeouts(draft: Draft, { violations }: Conflicts): void {
  const { values, places } = draft
  const { headersTimeoutMs: headers, requestTimeoutMs: request } = values
  if (headers === undefined || request === undefined || headers <= request) return
  if (!places.has('headersTimeoutMs')) values.headersTimeoutMs = request
  else if (!places.has('requestTimeoutMs')) values.requestTimeoutMs = headers
  else {
    violations.push(
      `${nameOf(draft, 'headersTimeoutMs')} is ${headers}ms, longer than the ${request}ms of a whole request: shorten it, or lengthen ${nameOf(draft, 'requestTimeoutMs')}`,
    )
  }
}

function checkAudiences(draft: Draft, { violations }: Conflicts): void {
  if (!draft.values.audiences?.includes(adminAudience)) return
  violations.push(`${nameOf(draft, 'audiences')} has ${adminAudience}, which is the gateway's own; leave it out`)
}

function checkIssuer(draft: Draft, { violations }: Conflicts): void {
  const { issuer } = draft.values
  if (issuer === undefined) {
    if (draft.production && !draft.places.has('issuer')) {
      violations.push('CARDEA_ISSUER is missing: write the https URL of this gateway as clients see it')
    }
    return
  }
  const wants = issuerViolation(issuer, draft.production)
  if (wants) violations.push(`${nameOf(draft, 'issuer')} is ${JSON.stringify(withoutUserinfo(issuer))}: ${wants}`)
}

// RFC 8414 section 2: "a URL that uses the "https" scheme and has no query or fragment components". Departure: in
// development a loopback address may do without TLS, as there is nobody to listen.
function issuerViolation(issuer: string, production: boolean): string | undefined {
  const url = new URL(issuer)
  if (url.username || url.password || issuer.includes('@')) return 'write it without a user name and password'
  if (issuer.includes('?') || issuer.includes('#')) return 'write it without a query and fragment'
  if (url.protocol === 'http:' && production) return 'write an https URL, as this is production'
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    return 'write an https URL; http is for loopback addresses only'
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'write an https URL'
  if (url.href !== issuer && url.href !== `${issuer}/`) return `write it in its normal form, ${url.href}`
  return undefined
}

function withoutUserinfo(url: string): string {
  return url.replace(/\/\/[^/]*@/, '//…@')
}

function checkSecrets(draft: Draft, { violations, notes }: Conflicts): void {
  const { secrets } = draft.values
  if (secrets === undefined) {
    if (draft.production && !draft.places.has('secrets')) {
      violations.push(
        'CARDEA_SECRET is missing: write at least 32 random characters, for example from `openssl rand -base64 48`',
      )
    }
    return
  }
  secrets.forEach((secret, at) => {
    const which = secrets.length === 1 ? 'CARDEA_SECRET' : `CARDEA_SECRET (number ${at + 1} of ${secrets.length})`
    const advice = 'write at least 32 random characters, for example from `openssl rand -base64 48`'
    const tooShort = brevityOf(secret)
    const weakSecret = violationOf(secret)
    if (tooShort) violations.push(`${which} ${tooShort}: ${advice}`)
    else if (weakSecret && draft.production) violations.push(`${which} ${weakSecret}: ${advice}`)
    else if (weakSecret) notes.push(`${which} ${weakSecret}; production would refuse it.`)
  })
}

const shortAdminPassword = 12

function checkAdminPassword(draft: Draft, { violations, notes }: Conflicts): void {
  const password = draft.values.adminPassword
  if (password === undefined) return
  const wrong = newPasswordProblem(password) ?? wrapping(password)
  if (wrong) violations.push(`CARDEA_ADMIN_PASSWORD cannot be used: ${wrong}`)
  else if (draft.production && [...password].length < shortAdminPassword) {
    notes.push(
      `CARDEA_ADMIN_PASSWORD is shorter than ${shortAdminPassword} characters; the first admin deserves a longer one.`,
    )
  }
}

// Behind a proxy that nobody named, all the world is one address: one who guesses would lock all others out.
function checkTrustedProxies(draft: Draft, { violations }: Conflicts): void {
  const isSaid = draft.values.trustedProxies !== undefined || draft.places.has('trustedProxies')
  if (!draft.production || isSaid) return
  violations.push(
    'CARDEA_TRUSTED_PROXIES is missing: write the addresses or networks of the proxies in front, or none if clients connect to this gateway itself',
  )
}

// What a shell, a file or a compose file leaves around a value. Whoever typed the password without it could not sign in.
function wrapping(password: string): string | undefined {
  if (password.trim() !== password) return 'It begins or ends with a blank: remove that.'
  const isQuoted = /^(["'`\u2018\u201c]).*["'`\u2019\u201d]$/u.test(password)
  return isQuoted ? 'It stands in quotes, which would be a part of it: remove them.' : undefined
}

function checkOrigins(draft: Draft, { violations, notes }: Conflicts): void {
  notes.push(...otherSiteNotes(draft))
  for (const origin of draft.production ? (draft.values.allowedOrigins ?? []) : []) {
    const { protocol, hostname } = new URL(origin)
    if (protocol === 'http:' && !isLoopback(hostname)) {
      violations.push(
        `${nameOf(draft, 'allowedOrigins')} holds ${JSON.stringify(origin)}: write an https origin, as this is production`,
      )
    }
  }
}

function checkListening(draft: Draft, { violations, notes }: Conflicts): void {
  const { values, production } = draft
  if (values.port !== 0 && values.metricsListen?.endsWith(`:${values.port}`)) {
    violations.push(`${nameOf(draft, 'metricsListen')} is the gateway's own port ${values.port}: write another one`)
  }
  if (production || values.host === undefined || isLoopback(values.host)) return
  notes.push(
    `This is development, reachable from elsewhere at ${values.host}: set NODE_ENV=production before others depend on it, and name what they call it in CARDEA_HOSTS.`,
  )
}

function checkWebhook(draft: Draft, { violations }: Conflicts): void {
  const { webhookUrl, webhookSecret } = draft.values
  if (webhookUrl !== undefined && webhookSecret === undefined && !draft.places.has('webhookSecret')) {
    violations.push(
      'CARDEA_WEBHOOK_SECRET is missing: write at least 16 random characters, as CARDEA_WEBHOOK_URL is set',
    )
  }
}

function checkProcesses(draft: Draft, { violations }: Conflicts): void {
  const { redisUrl, workers } = draft.values
  if (redisUrl !== undefined) violations.push(...redisUrlViolations(redisUrl, nameOf(draft, 'redisUrl')))
  if (workers !== undefined && workers !== 1 && !draft.places.has('redisUrl')) {
    violations.push(
      `${nameOf(draft, 'workers')} is ${workers}: the embedded store serves one process; set REDIS_URL, or write 1`,
    )
  }
}

// The sentence is the adapter's own, which knows the forms and never shows the URL.
function redisUrlViolations(url: string, place: string): string[] {
  try {
    parseRedisUrl(url)
    return []
  } catch (error) {
    return [(error instanceof Error ? error.message : String(error)).replace('REDIS_URL', place)]
  }
}
