// The time and memory that a process and its children have used, as Linux tells it. Elsewhere nothing is known, and the bench
// says so.
import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessCost {
  /** To the microsecond: rounds are short. */
  cpuMs: number
  residentBytes: number
}

/** CPU time so far and resident memory now, children included; undefined where there is no /proc. */
export function costOf(pid: number): ProcessCost | undefined {
  const costs = costsOf(pid)
  if (costs.length === 0) return undefined
  return {
    cpuMs: costs.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    residentBytes: costs.reduce((sum, { residentBytes }) => sum + residentBytes, 0),
  }
}

/** The same of the process and of each of its children, the process first; nothing where there is no /proc. */
export function costsOf(pid: number): ProcessCost[] {
  try {
    return [pid, ...childrenOf(pid)].map(costOfOne)
  } catch {
    return []
  }
}

function costOfOne(pid: number): ProcessCost {
  // Documentation/scheduler/sched-stats of the kernel: time on the CPU first, ns. One file a thread; /proc/PID/stat has
  // all of them, but in hundredths of a second.
  const threads = readdirSync(`/proc/${pid}/task`)
  const cpuNs = threads.reduce((sum, thread) => sum + firstNumber(`/proc/${pid}/task/${thread}/schedstat`), 0)
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
  return { cpuMs: cpuNs / 1e6, residentBytes: pages * 4096 }
}

function firstNumber(file: string): number {
  return Number.parseInt(readFileSync(file, 'utf8'), 10)
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
    const own = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
    return own.flatMap((child) => [child, ...childrenOf(child)])
  })
}
