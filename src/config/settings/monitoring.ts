// The settings of what is watched: events and timelines, metrics, signals and whom they are told. A part of the table of settings;
// nothing else reads it.
import { isRuleName, mayAct, ruleTable } from '../../../plugins/audit/rules.ts'
import { choice, integer, list, text } from './kinds.ts'
import { fixed, open } from './setting.ts'

const rules = Object.keys(ruleTable).join(', ')

/** What is kept of what happens, who may read it, and what follows from it. */
export const monitoring = {
  node: open(
    { name: 'CARDEA_NODE', key: 'node', meaning: 'Name of this node in events and on the operators’ page.' },
    text('1 to 40 letters, digits, dots and hyphens', (value) => /^[A-Za-z0-9.-]{1,40}$/.test(value), 40),
    'host name and process id',
  ),
  accessLog: fixed(
    {
      name: 'CARDEA_ACCESS_LOG',
      key: 'accessLog',
      meaning:
        'Which requests get a line of the access log: none, those that failed, these and a sample of the others, or all.',
    },
    choice('off', 'errors', 'sample', 'all'),
    'off',
  ),
  accessLogSample: fixed(
    {
      name: 'CARDEA_ACCESS_LOG_SAMPLE',
      key: 'accessLogSample',
      meaning: 'With `sample`: one in so many requests that went well.',
    },
    integer(1, 1_000_000),
    '100',
  ),
  eventsKept: fixed(
    {
      name: 'CARDEA_EVENTS_KEPT',
      key: 'events.kept',
      meaning: 'Events kept in the store, about; the oldest leave. 0 keeps none.',
    },
    integer(0, 10_000_000),
    '100000',
  ),
  eventNetwork: fixed(
    {
      name: 'CARDEA_EVENT_NETWORK',
      key: 'events.network',
      meaning: 'Bits of an IPv4 and an IPv6 address that events and timelines keep.',
    },
    text('bits of IPv4, a slash and bits of IPv6, such as 24/48', isBits, 6),
    '24/48',
  ),
  timelineEntries: fixed(
    {
      name: 'CARDEA_TIMELINE_ENTRIES',
      key: 'events.timelineEntries',
      meaning: 'Entries of a session’s timeline: the sign-in and the newest. 0 keeps none.',
    },
    integer(0, 64),
    '16',
  ),
  metricsListen: open(
    {
      name: 'CARDEA_METRICS',
      key: 'metrics.listen',
      meaning: 'Address and port where /metrics is served without a credential; for all workers together.',
    },
    text('an address and a port such as 127.0.0.1:9464 or [::1]:9464', isHostAndPort, 64),
    'none: only /metrics of the gateway, with a credential',
  ),
  metricsToken: open(
    {
      name: 'CARDEA_METRICS_TOKEN',
      meaning: 'Bearer token with which /metrics can be read without being an admin.',
      secret: true,
    },
    text('16 to 256 characters without blanks', (value) => /^[\x21-\x7e]{16,256}$/.test(value), 256),
    'none: admins only',
  ),
  signalActions: open(
    {
      name: 'CARDEA_SIGNAL_ACTIONS',
      key: 'signals.actions',
      meaning: 'What a signal does, `rule=report`, `rule=revoke` or `rule=login`; comma separated.',
    },
    list(`rule=action, of the rules ${rules}; login failures and \`ahead\` can only be reported`, isRuleAction),
    'report, for every rule',
  ),
  signalThresholds: open(
    {
      name: 'CARDEA_SIGNAL_THRESHOLDS',
      key: 'signals.thresholds',
      meaning: 'From where on a rule is a signal, `rule=number`; comma separated.',
    },
    list(`rule=number, of the rules ${rules}`, isRuleThreshold),
    'as docs/operations.md says',
  ),
  webhookUrl: open(
    { name: 'CARDEA_WEBHOOK_URL', key: 'webhook.url', meaning: 'Where signals are sent, signed.' },
    text('an https URL, or http on a loopback address, without a user name', isWebhookUrl),
    'none',
  ),
  webhookSecret: open(
    { name: 'CARDEA_WEBHOOK_SECRET', meaning: 'Secret under which signals are signed.', secret: true },
    text('at least 16 characters', (value) => value.length >= 16, 1024),
    'none; needed with CARDEA_WEBHOOK_URL',
  ),
}

/** The two numbers of `24/48`. */
export function networkBits(value: string): { ipv4: number; ipv6: number } {
  const [ipv4 = 0, ipv6 = 0] = value.split('/').map(Number)
  return { ipv4, ipv6 }
}

/** `rule=value` texts as a record. */
export function ruleValues(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(texts.map((text) => text.split('=', 2)))
}

function isBits(value: string): boolean {
  const { ipv4, ipv6 } = networkBits(value)
  return /^\d{1,2}\/\d{1,3}$/.test(value) && ipv4 <= 32 && ipv6 <= 128
}

function isHostAndPort(value: string): boolean {
  return /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$/.test(value) && URL.canParse(`http://${value}`)
}

function isRuleAction(value: string): boolean {
  const [rule = '', action = '', ...rest] = value.split('=')
  return rest.length === 0 && isRuleName(rule) && mayAct(rule, action)
}

function isRuleThreshold(value: string): boolean {
  const [rule = '', number = '', ...rest] = value.split('=')
  return rest.length === 0 && isRuleName(rule) && /^[1-9]\d{0,5}$/.test(number)
}

function isWebhookUrl(value: string): boolean {
  if (!URL.canParse(value)) return false
  const { protocol, hostname, username, password } = new URL(value)
  const isLoopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
  return (protocol === 'https:' || (protocol === 'http:' && isLoopback)) && username === '' && password === ''
}
