// REDIS_URL: where Redis is and in which of its three forms. No error and no description ever shows a password.

export interface RedisNode {
  host: string
  port: number
}

/** Files of a TLS connection, PEM. */
export interface RedisTlsFiles {
  /** The authority of the server's certificate, in place of those that Node knows. */
  ca?: string
  /** The certificate that this gateway shows, and its key. */
  cert?: string
  key?: string
}

interface Login {
  tls: boolean
  tlsFiles?: RedisTlsFiles
  username?: string
  password?: string
}

/** One server; a primary that sentinels know; or a Cluster. */
export type RedisAddress = Login &
  (
    | { form: 'single'; node: RedisNode; db: number }
    | { form: 'sentinel'; sentinels: RedisNode[]; primaryName: string; db: number; sentinelPassword?: string }
    | { form: 'cluster'; nodes: RedisNode[] }
  )

// WHATWG URLs have one host; Sentinel and Cluster need a list.
const pattern =
  /^(?<scheme>rediss?)(?:\+(?<form>sentinel|cluster))?:\/\/(?:(?<login>[^@/]*)@)?(?<hosts>[^/?#@]+)(?<path>\/[^?#]*)?(?:\?(?<query>[^#]*))?$/

const forms =
  'redis://[user:password@]host:port[/db], rediss://…[?ca=/file&cert=/file&key=/file] for TLS, ' +
  'redis+sentinel://[user:password@]host:port,host:port/<name of the primary>[/db][?sentinelPassword=…], ' +
  'redis+cluster://[user:password@]host:port,host:port'

/**
 * Reads a REDIS_URL.
 * @throws Error that shows the forms, never the URL: it may hold a password
 */
export function parseRedisUrl(url: string): RedisAddress {
  try {
    return parse(url)
  } catch (error) {
    throw hasUnescaped(url) ? invalid(unescaped) : error
  }
}

function parse(url: string): RedisAddress {
  const parts = pattern.exec(url)?.groups
  if (!parts) throw invalid('it has none of these forms')
  const { scheme, form = 'single', login, hosts = '', path = '', query } = parts
  const options = new URLSearchParams(query)
  const tls = scheme === 'rediss'
  const tlsFiles = tlsFilesIn(options, tls)
  const common: Login = { tls, ...(tlsFiles && { tlsFiles }), ...parseLogin(login) }
  const nodes = hosts.split(',').map((host) => parseNode(host, form === 'sentinel' ? 26379 : 6379))
  const names = path.split('/').slice(1).map(decode)
  for (const key of options.keys()) {
    const isOfTls = tls && fileOptions.some((name) => name === key)
    if (!isOfTls && (form !== 'sentinel' || key !== 'sentinelPassword'))
      throw invalid('it has an option that does not exist')
  }
  if (form === 'cluster') return { ...common, form, nodes: clusterNodes(nodes, names) }
  if (form === 'sentinel') return { ...common, ...sentinelParts(nodes, names, options) }
  return { ...common, form: 'single', ...singleParts(nodes, names) }
}

const fileOptions = ['ca', 'cert', 'key'] as const

function tlsFilesIn(options: URLSearchParams, tls: boolean): RedisTlsFiles | undefined {
  const files: RedisTlsFiles = {}
  for (const name of tls ? fileOptions : []) {
    const path = options.get(name)
    if (path !== null) files[name] = path
  }
  if ((files.cert === undefined) !== (files.key === undefined)) throw invalid('of cert and key it has only one')
  return Object.keys(files).length > 0 ? files : undefined
}

const unescaped = 'a password with @ / or # is percent-encoded: write @ as %40, / as %2F, # as %23'

// Whether what seems to be the password, up to the last @ before the options, has a character that ends it.
function hasUnescaped(url: string): boolean {
  const [login] = /(?<=:\/\/).*@/.exec(url.replace(/\?sentinelPassword=.*/, '')) ?? []
  return login !== undefined && /[@/#?]/.test(login.slice(0, -1))
}

/** The address for banners and logs, without user and password. */
export function describeAddress(address: RedisAddress): string {
  if (address.form === 'single') return describeNodes([address.node])
  if (address.form === 'cluster') return `cluster ${describeNodes(address.nodes)}`
  return `${address.primaryName} by sentinels ${describeNodes(address.sentinels)}`
}

function singleParts(nodes: RedisNode[], names: string[]) {
  const [node] = nodes
  if (!node || nodes.length > 1)
    throw invalid('it names several hosts, which only redis+sentinel:// and redis+cluster:// do')
  if (names.length > 1) throw invalid('its path is not a database number')
  return { node, db: parseDatabase(names[0]) }
}

function sentinelParts(sentinels: RedisNode[], [primaryName, db, ...rest]: string[], options: URLSearchParams) {
  if (!primaryName || rest.length > 0)
    throw invalid('its path must be the name of the primary, and the database if not 0')
  const sentinelPassword = options.get('sentinelPassword')
  const password = sentinelPassword === null ? {} : { sentinelPassword }
  return { form: 'sentinel' as const, sentinels, primaryName, db: parseDatabase(db), ...password }
}

function clusterNodes(nodes: RedisNode[], names: string[]): RedisNode[] {
  if (names.some((name) => name !== '' && name !== '0')) throw invalid('a Cluster has database 0 only')
  return nodes
}

function parseNode(text: string, defaultPort: number): RedisNode {
  const match = /^(?:\[(?<six>[0-9a-f:.]+)\]|(?<name>[^:[\]]+))(?::(?<port>\d{1,5}))?$/i.exec(text)
  const host = match?.groups?.['six'] ?? match?.groups?.['name']
  const port = Number(match?.groups?.['port'] ?? defaultPort)
  if (!host || port < 1 || port > 65535) throw invalid('one of its hosts is not host:port')
  return { host, port }
}

function parseLogin(login: string | undefined): { username?: string; password?: string } {
  if (!login) return {}
  const [username = '', ...password] = login.split(':')
  if (password.length === 0) throw invalid('a user without a password: write user:password@ or :password@')
  const decoded = { password: decode(password.join(':')) }
  return username === '' ? decoded : { username: decode(username), ...decoded }
}

function parseDatabase(text: string | undefined): number {
  if (text === undefined || text === '') return 0
  if (!/^\d{1,4}$/.test(text)) throw invalid('its path is not a database number')
  return Number(text)
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid("a '%' in it is not followed by two hexadecimal digits: write it as %25")
  }
}

function describeNodes(nodes: readonly RedisNode[]): string {
  return nodes.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(', ')
}

function invalid(why: string): Error {
  return new Error(`REDIS_URL cannot be used: ${why}. Forms: ${forms}`)
}
