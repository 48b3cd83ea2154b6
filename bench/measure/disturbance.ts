// A watch for others at work on this machine while something is measured: then the figure is theirs as well, and it is
// measured again. Knows Linux only.
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { costsOf } from '../targets/process-cost.ts'

/** Of all cores. */
const maxForeign = 0.05
const attempts = 3
/** /proc counts in hundredths of a second. */
const tickMs = 10

let measured = 0
let disturbed = 0

/**
 * Measures; again while somebody else took more than a twentieth of the machine, a few times at most.
 * @returns what the calmest try returned
 */
export async function undisturbed<T>(measure: () => Promise<T>): Promise<T> {
  let best: { result: T; foreign: number } | undefined
  for (let i = 0; i < attempts && (best === undefined || best.foreign > maxForeign); i++) {
    const before = foreignMs()
    const startedAt = performance.now()
    const result = await measure()
    const foreign = (foreignMs() - before) / (performance.now() - startedAt) / cpus().length
    if (best === undefined || foreign < best.foreign) best = { result, foreign }
  }
  if (best === undefined) throw new Error('nothing was measured')
  measured += 1
  if (best.foreign > maxForeign) disturbed += 1
  return best.result
}

/** How many rounds were left disturbed, as a sentence; '' for few. */
export function disturbanceNote(): string {
  if (disturbed <= measured / 20) return ''
  return `In ${disturbed} of ${measured} rounds other processes took part of the machine: do not quote these figures.`
}

// CPU time so far of all that this process has not started, ms; 0 where there is no /proc.
function foreignMs(): number {
  try {
    // proc(5): user, nice, system, idle, iowait, irq, softirq, steal.
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = numbersOf('/proc/stat', 'cpu')
    const stat = readFileSync('/proc/self/stat', 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // Fields 16 and 17: of children that have ended.
    const endedMs = (Number(fields[13]) + Number(fields[14])) * tickMs
    const ownMs = costsOf(process.pid).reduce((sum, { cpuMs }) => sum + cpuMs, endedMs)
    return (user + nice + system + irq + softirq + steal) * tickMs - ownMs
  } catch {
    return 0
  }
}

function numbersOf(file: string, name: string): number[] {
  const line =
    readFileSync(file, 'utf8')
      .split('\n')
      .find((text) => text.startsWith(`${name} `)) ?? ''
  return line.trim().split(/ +/).slice(1).map(Number)
}
