// Every setting of the gateway, once: its name in the environment, its key in the file, its default, its meaning.
// The loader, the published schema, the CLI and the test of docs/reference.md all read this table; nothing else names a setting.

import { isHost } from '../../../plugins/http-edge/request-headers.ts'
import {
  choice,
  durationMs,
  durationSeconds,
  flag,
  integer,
  isOrigin,
  list,
  text,
  trustedProxies,
  workers,
} from './kinds.ts'
import { monitoring } from './monitoring.ts'
import { limits, protection, storing } from './protection.ts'
import { type Fixed, fixed, open, type Setting } from './setting.ts'

const isPlain = (value: string) => /^[\x21-\x7e]+$/.test(value)
const isUrl = (value: string) => URL.canParse(value)
const anything = () => true

const listening = {
  port: fixed(
    { name: 'PORT', key: 'port', meaning: 'Port to listen on; 0 takes a free one.' },
    integer(0, 65535),
    '3000',
  ),
  host: fixed(
    { name: 'HOST', key: 'host', meaning: 'Address to listen on; 0.0.0.0 in the image.' },
    text('an address or host name', isPlain, 255),
    '127.0.0.1',
  ),
  trustedProxies: open(
    {
      name: 'CARDEA_TRUSTED_PROXIES',
      key: 'trustedProxies',
      meaning: 'Addresses or networks of proxies whose X-Forwarded-For counts; comma separated; or `none`.',
    },
    trustedProxies(),
    'none in development, required in production',
  ),
  allowedOrigins: open(
    {
      name: 'CARDEA_ALLOWED_ORIGINS',
      key: 'allowedOrigins',
      meaning:
        'Origins of web pages and apps beside our own that may send requests by cookie and read responses; comma separated.',
    },
    list(
      'exact origins such as https://app.example.com or capacitor://localhost, without a path or trailing slash; each by itself, for * stands for nothing here',
      isOrigin,
    ),
    'none',
  ),
  hosts: open(
    {
      name: 'CARDEA_HOSTS',
      key: 'hosts',
      meaning:
        'Hosts beside the issuer’s that we answer for, with or without a port; anything else is 421; comma separated.',
    },
    list('host names or addresses such as app.example.com, app.example.com:8443 or [::1], without a scheme', isHost),
    'none; in development loopback names',
  ),
  hsts: fixed(
    { name: 'CARDEA_HSTS', key: 'hsts', meaning: 'Sends Strict-Transport-Security (one year) with our own responses.' },
    flag(),
    'false',
  ),
  docs: open(
    { name: 'CARDEA_DOCS', key: 'docs', meaning: 'Serves Swagger UI at /docs.' },
    flag(),
    'true in development, false in production',
  ),
  ops: fixed({ name: 'CARDEA_OPS', key: 'ops', meaning: 'Serves the operators’ page at /ops.' }, flag(), 'true'),
  drainMs: open(
    {
      name: 'CARDEA_DRAIN',
      key: 'drain',
      meaning:
        'How long a gateway that is stopped goes on serving while /readyz says 503, so that balancers send their requests elsewhere.',
    },
    durationMs('0s', '10m'),
    '5s in production, 0s in development',
  ),
  shutdownTimeoutMs: fixed(
    {
      name: 'CARDEA_SHUTDOWN_TIMEOUT',
      key: 'shutdownTimeout',
      meaning: 'How long requests in flight may take to finish when the gateway is stopped.',
    },
    durationMs('0s', '1h'),
    '10s',
  ),
  reloadTimeoutMs: fixed(
    {
      name: 'CARDEA_RELOAD_TIMEOUT',
      key: 'reloadTimeout',
      meaning: 'How long requests in flight may go on as they began after the config was reloaded.',
    },
    durationMs('0s', '1d'),
    '5m',
  ),
  logLevel: open(
    { name: 'CARDEA_LOG_LEVEL', key: 'logLevel', meaning: 'Least level that is logged.' },
    choice('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    'warn in development, info in production',
  ),
}

const identity = {
  issuer: open(
    {
      name: 'CARDEA_ISSUER',
      key: 'issuer',
      meaning: '`iss` of the tokens: our URL as clients see it; https in production.',
    },
    text('a URL such as https://login.example.com', isUrl),
    'http://127.0.0.1:<PORT> in development, required in production',
  ),
  audiences: open(
    {
      name: 'CARDEA_AUDIENCES',
      key: 'audiences',
      meaning: '`aud` values that tokens can be asked for; the first is the default; comma separated.',
    },
    list('audiences without blanks', isPlain),
    'the issuer',
  ),
  clientId: fixed(
    {
      name: 'CARDEA_CLIENT_ID',
      key: 'clientId',
      meaning: '`client_id` in the access tokens of people who sign in here.',
    },
    text('a client id without blanks', isPlain, 255),
    'cardea',
  ),
  secrets: open(
    {
      name: 'CARDEA_SECRET',
      meaning: 'One or more secrets, comma separated, newest first; all keys are derived from or sealed under them.',
      secret: true,
    },
    list('secrets of at least 32 characters, newest first', anything),
    'made in development, required in production',
  ),
  adminPassword: open(
    {
      name: 'CARDEA_ADMIN_PASSWORD',
      meaning: 'Password of the first admin, user name `admin`; read while there are no users.',
      secret: true,
    },
    text('a password', anything, 1024),
    'made and printed once at the first start in development',
  ),
}

const tokens = {
  accessTtlSeconds: fixed(
    { name: 'CARDEA_ACCESS_TTL', key: 'accessTtl', meaning: 'Life of an access token.' },
    durationSeconds('1s', '1d'),
    '5m',
  ),
  idleTtlSeconds: fixed(
    { name: 'CARDEA_IDLE_TTL', key: 'idleTtl', meaning: 'A session that is not refreshed for this long ends.' },
    durationSeconds('1s', '400d'),
    '7d',
  ),
  absoluteTtlSeconds: fixed(
    { name: 'CARDEA_ABSOLUTE_TTL', key: 'absoluteTtl', meaning: 'A session ends after this time, however it is used.' },
    durationSeconds('1s', '400d'),
    '30d',
  ),
  graceMs: fixed(
    {
      name: 'CARDEA_GRACE',
      key: 'grace',
      meaning: 'How long a superseded refresh token still gets its successor (concurrent tabs); 0s turns it off.',
    },
    durationMs('0s', '10m'),
    '10s',
  ),
  retryBinding: fixed(
    {
      name: 'CARDEA_RETRY_BINDING',
      key: 'retryBinding',
      meaning:
        'Whose retry is honoured: `client` ends the session on one from another device label or without its cookie.',
    },
    choice('none', 'client'),
    'none',
  ),
  clockToleranceSeconds: fixed(
    {
      name: 'CARDEA_CLOCK_TOLERANCE',
      key: 'clockTolerance',
      meaning: 'How long after its expiry an access token is still taken, for clocks of nodes that differ.',
    },
    durationSeconds('0s', '60s'),
    '0s',
  ),
  maxSessions: fixed(
    {
      name: 'CARDEA_MAX_SESSIONS',
      key: 'maxSessions',
      meaning: 'Live sessions a subject may have, 4000 at most; beyond it the oldest ends.',
    },
    integer(1, 4_000),
    '100',
  ),
  signingAlg: fixed(
    {
      name: 'CARDEA_SIGNING_ALG',
      key: 'signing.alg',
      meaning: 'JWS algorithm of access tokens; with HS256 there is no JWKS.',
    },
    choice('ES256', 'EdDSA', 'RS256', 'PS256', 'HS256'),
    'ES256',
  ),
  rotateEverySeconds: fixed(
    { name: 'CARDEA_ROTATE_EVERY', key: 'signing.rotateEvery', meaning: 'How often a new signing key takes over.' },
    durationSeconds('1m', '3650d'),
    '30d',
  ),
}

const process = {
  dataDir: fixed(
    { name: 'CARDEA_DATA_DIR', key: 'dataDir', meaning: 'Folder of the embedded store and the development secret.' },
    text('a folder', (value) => !value.includes('\0')),
    './data',
  ),
  redisUrl: open(
    {
      name: 'REDIS_URL',
      key: 'redisUrl',
      meaning: 'Redis or Valkey in place of the embedded store, for any number of nodes.',
      secret: true,
    },
    text('a URL such as redis://127.0.0.1:6379', isPlain),
    'none: embedded store',
  ),
  workers: fixed(
    {
      name: 'CARDEA_WORKERS',
      key: 'workers',
      meaning: 'Processes behind the one port; `auto`: one a core. More than 1 needs Redis.',
    },
    workers(),
    '1',
  ),
}

/** The table of settings, by the member they fill. CARDEA_CONFIG stands beside it: it says where the file is. */
export const settings = {
  ...listening,
  ...identity,
  ...tokens,
  ...protection,
  ...limits,
  ...monitoring,
  ...process,
  ...storing,
}

export type SettingMember = keyof typeof settings

/** What the settings hold: always a value where there is a fixed default. */
export type SettingValues = {
  [M in SettingMember]: (typeof settings)[M] extends Fixed<infer T>
    ? T
    : (typeof settings)[M] extends Setting<infer T>
      ? T | undefined
      : never
}

/** The one setting that cannot stand in the file. */
export const configFileSetting = {
  name: 'CARDEA_CONFIG',
  otherwise: 'cardea.config.yaml',
  meaning: 'File of the routes and of every other setting (YAML or JSON); the environment beats it.',
} as const
