// What tests of header fields share: a route to send by, and lists of names and values as pairs.
import { compileRoutes, type RouteConfig } from '../../../../plugins/forward/route/compile.ts'

export function route(config: Partial<RouteConfig> = {}) {
  const [compiled] = compileRoutes([{ prefix: '/orders', upstream: 'http://orders.internal:4000', ...config }])
  if (compiled === undefined) throw new Error('one route in, one route out')
  return compiled
}

export function pairs(fields: string[]): [string, string][] {
  const list: [string, string][] = []
  for (let i = 0; i < fields.length; i += 2) list.push([fields[i]?.toLowerCase() ?? '', fields[i + 1] ?? ''])
  return list
}

export function valuesOf(list: [string, string][], name: string): string[] {
  return list.filter(([one]) => one === name).map(([, value]) => value)
}
