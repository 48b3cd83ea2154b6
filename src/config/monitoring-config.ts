// The monitoring config: the part of the config that events, metrics and signals are wired with.
import type { Action, RuleName } from '../../plugins/audit/rules.ts'
import type { SettingValues } from './settings/index.ts'
import { networkBits, ruleValues } from './settings/monitoring.ts'

export interface MonitoringConfig {
  /** Undefined: made of host and process. */
  node: string | undefined
  accessLog: 'off' | 'errors' | 'sample' | 'all'
  /** One in so many, for `sample`. */
  accessLogSample: number
  events: { kept: number; timelineEntries: number; network: { ipv4: number; ipv6: number } }
  metrics: { listen: { host: string; port: number } | undefined; token: string | undefined }
  signals: { actions: Partial<Record<RuleName, Action>>; thresholds: Partial<Record<RuleName, number>> }
  webhook: { url: string; secret: string } | undefined
}

/** The part of the config. @param all values without mistakes */
export function monitoringOf(all: SettingValues): MonitoringConfig {
  const { webhookUrl: url, webhookSecret: secret } = all
  const thresholds = Object.entries(ruleValues(all.signalThresholds ?? []))
  return {
    node: all.node,
    ...{ accessLog: all.accessLog, accessLogSample: all.accessLogSample },
    events: { kept: all.eventsKept, timelineEntries: all.timelineEntries, network: networkBits(all.eventNetwork) },
    metrics: { listen: hostAndPort(all.metricsListen), token: all.metricsToken },
    signals: {
      // The setting has taken rules and their actions only.
      actions: ruleValues(all.signalActions ?? []) as Partial<Record<RuleName, Action>>,
      // As above.
      thresholds: Object.fromEntries(thresholds.map(([rule, number]) => [rule, Number(number)])) as Partial<
        Record<RuleName, number>
      >,
    },
    webhook: url === undefined || secret === undefined ? undefined : { url, secret },
  }
}

function hostAndPort(value: string | undefined): { host: string; port: number } | undefined {
  if (value === undefined) return undefined
  const at = value.lastIndexOf(':')
  return { host: value.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(value.slice(at + 1)) }
}
