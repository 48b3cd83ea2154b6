// Starts what a bench measures as processes of their own, each held to one core where the machine can do that, and ends them.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

const canPin = spawnSync('taskset', ['-c', '0', 'true']).status === 0
const children: ChildProcess[] = []

/** The core that what is measured runs on; load and services share the other. */
export const measuredCore = '0'
export const otherCore = '1'

/** Whether processes are held to cores. */
export function describePinning(): string {
  return canPin ? 'what is measured on one core, load and service on another' : 'no process is held to a core'
}

/**
 * Starts a TypeScript file as a process.
 * @param core the core to hold it to
 * @returns the first line it prints, once it has
 */
export async function start(file: string, args: string[], core: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  for await (const line of createInterface({ input: launch(file, args, core, env) })) return line
  throw new Error(`${file} ended before it said where it listens`)
}

/**
 * Runs a TypeScript file as a process to its end.
 * @returns every line it prints
 */
export async function runToEnd(file: string, args: string[], core: string, env: NodeJS.ProcessEnv = {}) {
  const lines: string[] = []
  for await (const line of createInterface({ input: launch(file, args, core, env) })) lines.push(line)
  return lines
}

function launch(file: string, args: string[], core: string, env: NodeJS.ProcessEnv): Readable {
  const command = [...(canPin ? ['taskset', '-c', core] : []), process.execPath, file, ...args]
  const child = spawn(command[0] ?? '', command.slice(1), {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  return child.stdout
}

/** Holds this process to a core. */
export function pinThisProcess(core: string): void {
  if (canPin) spawnSync('taskset', ['-cp', core, String(process.pid)])
}

/** Ends every process that was started. */
export function stopAll(): void {
  for (const child of children) child.kill('SIGTERM')
}
