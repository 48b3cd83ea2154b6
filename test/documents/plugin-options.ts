// The options of each plugin of the shelf as its source declares them: one row an option. The test of plugins/README.md compares
// the page with it. It reads sources only.
import { readFileSync } from 'node:fs'
import { defaults } from '../../plugins/cardea/defaults.ts'

const root = new URL('../..', import.meta.url)

/** An interface whose members are options, all of them or those that are named. */
type Part = [path: string, name: string, members?: readonly string[]]

const accessTokens = ['issuer', 'audiences', 'clientId', 'ttlSeconds', 'clockToleranceSeconds']

/** Where the options of a plugin are declared; a plugin that is not here has none. */
const sources: Readonly<Record<string, readonly Part[]>> = {
  'client-address': [['clients/address.ts', 'ClientAddressOptions']],
  'cross-origin': [['browser/cors.ts', 'CrossOriginOptions']],
  'access-log': [['access-log/index.ts', 'AccessLogOptions']],
  'request-guard': [['http-edge/index.ts', 'RequestGuardOptions']],
  'body-memory': [['body-parsers/memory.ts', 'BodyMemoryOptions']],
  tracing: [['tracing/index.ts', 'TracingOptions']],
  audit: [['audit/index.ts', 'AuditOptions']],
  'security-fields': [['http-edge/security-headers.ts', 'SecurityFieldsOptions']],
  cookies: [['browser/cookies.ts', 'CookiesOptions']],
  'browser-origin': [['browser/origin.ts', 'BrowserOriginOptions']],
  swagger: [['swagger.ts', 'SwaggerOptions']],
  'session-store': [['session-store/index.ts', 'SessionStoreOptions']],
  clocks: [['clocks/index.ts', 'ClocksOptions']],
  revocation: [['revocation/index.ts', 'RevocationOptions']],
  'access-tokens': [
    ['access-tokens/access-token.ts', 'AccessTokenOptions', accessTokens],
    ['access-tokens/index.ts', 'AccessTokensPluginOptions'],
  ],
  credentials: [['credentials/index.ts', 'CredentialsOptions']],
  'login-limit': [
    ['credentials/login-budgets.ts', 'LoginLimits'],
    ['credentials/login-limit.ts', 'LoginLimitOptions'],
  ],
  'audit-trail': [['audit/trail.ts', 'AuditTrailOptions']],
  forward: [['forward/index.ts', 'ForwardOptions']],
  metrics: [['metrics/index.ts', 'MetricsOptions']],
  'auth-routes': [['auth-routes/index.ts', 'AuthRoutesOptions']],
  cardea: [
    ['cardea/index.ts', 'CardeaOptions'],
    ['cardea/identity.ts', 'IdentitySettings'],
    ['session-store/sessions.ts', 'SessionPolicy'],
    ['audit/index.ts', 'AuditOptions', ['node', 'network']],
  ],
}

interface Option {
  name: string
  isRequired: boolean
  meaning: string
}

/** The options of a plugin, those first that must be given: `| option | default | what it is |`, ready to be pasted. */
export function optionRows(plugin: string): string[] {
  const found = new Map((sources[plugin] ?? []).flatMap(optionsOf).map((option) => [option.name, option]))
  const options = [...found.values()].map((option) => (plugin === 'cardea' ? ofWhole(option) : option))
  return [...options.filter(({ isRequired }) => isRequired), ...options.filter(({ isRequired }) => !isRequired)].map(
    rowOf,
  )
}

// The whole has defaults for what its parts must be given.
function ofWhole(option: Option): Option {
  const { name, meaning } = option
  if (name === 'audiences')
    return { name, isRequired: false, meaning: `${meaning.replace(/\.$/, '')}; the issuer when absent.` }
  if (!Object.hasOwn(defaults, name)) return option
  const value: unknown = Object.entries(defaults).find(([key]) => key === name)?.[1]
  const shown =
    typeof value === 'function' ? "this node's" : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
  return {
    name,
    isRequired: false,
    meaning: `${meaning.replace(/(; [^;]+ when absent)?\.$/, '')}; ${shown} when absent.`,
  }
}

function rowOf({ name, isRequired, meaning }: Option): string {
  const [, what = meaning, standard] = /^(.*)[;.] ([^;.]*|`[^`]*`) when absent\.$/.exec(meaning) ?? []
  const shown = isRequired ? `**\`${name}\`**` : `\`${name}\``
  return `| ${shown} | ${isRequired ? '' : (standard ?? '')} | ${what.replace(/\.$/, '')}. |`
}

function optionsOf([path, name, members]: Part): Option[] {
  const source = readFileSync(new URL(`plugins/${path}`, root), 'utf8')
  const [, body = ''] = new RegExp(`interface ${name} [^{]*\\{\\n([\\s\\S]*?)\\n\\}`).exec(source) ?? []
  const declared = body.matchAll(/(?:^ {2}\/\*\*([\s\S]*?)\*\/\n)?^ {2}(?:readonly )?(\w+)(\?)?: /gm)
  const options = [...declared].map(([, comment = '', member = '', optional]) => ({
    name: member,
    isRequired: optional === undefined,
    meaning: comment.replaceAll(/\s*\n\s*\* ?/g, ' ').trim(),
  }))
  return members ? options.filter((option) => members.includes(option.name)) : options
}
