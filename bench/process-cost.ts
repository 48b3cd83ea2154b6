// What a process and its children have used of the machine, as Linux tells it. Elsewhere nothing is known, and the bench says so.
import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks of /proc are hundredths of a second on every Linux that Node runs on. */
const tickMs = 10

export interface ProcessCost {
  cpuMs: number
  residentBytes: number
}

/** CPU time so far and resident memory now, children included; undefined where there is no /proc. */
export function costOf(pid: number): ProcessCost | undefined {
  try {
    const costs = [pid, ...childrenOf(pid)].map(costOfOne)
    return {
      cpuMs: costs.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
      residentBytes: costs.reduce((sum, { residentBytes }) => sum + residentBytes, 0),
    }
  } catch {
    return undefined
  }
}

function costOfOne(pid: number): ProcessCost {
  // proc(5): after the name in parentheses come the state and then numbers; user and system time are fields 14 and 15.
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
  return { cpuMs: (Number(fields[11]) + Number(fields[12])) * tickMs, residentBytes: pages * 4096 }
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
    const own = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
    return own.flatMap((child) => [child, ...childrenOf(child)])
  })
}
