// Starts what a bench measures as processes of their own, each held to one core where the machine can do that, and ends them.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'

const canPin = spawnSync('taskset', ['-c', '0', 'true']).status === 0
const canIdle = spawnSync('chrt', ['-i', '0', 'true']).status === 0
const children: ChildProcess[] = []
// Whatever ends the bench, nothing that it started outlives it.
process.once('exit', stopAll)

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
  for await (const line of createInterface({ input: launch(file, args, core, env).stdout })) return line
  throw new Error(`${file} ended before it said where it listens`)
}

/** A server that is measured. */
export interface Running {
  url: string
  pid: number
}

/**
 * Starts a TypeScript file that prints its address on its first line, on the core of what is measured.
 * @returns the address and the process
 */
export async function startMeasured(file: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<Running> {
  const child = launch(file, args, measuredCore, env)
  for await (const url of createInterface({ input: child.stdout })) return { url, pid: child.pid ?? 0 }
  throw new Error(`${file} ended before it said where it listens`)
}

/**
 * Starts a TypeScript file and waits for the first line it prints.
 * @param core a core, or several as taskset names them
 * @returns its process
 */
export async function startListening(file: string, core: string, env: NodeJS.ProcessEnv): Promise<number> {
  const child = launch(file, [], core, env)
  for await (const _ of createInterface({ input: child.stdout })) {
    // What it says from now on is read by nobody, and must not fill the pipe.
    child.stdout.resume()
    return child.pid ?? 0
  }
  throw new Error(`${file} ended before it said anything`)
}

/**
 * Starts a program that is on PATH on the core of what is measured.
 * @param port of 127.0.0.1 that it was told to listen on
 * @throws Error when it is not there or does not listen
 */
export async function startProgram(program: string, args: string[], port: number): Promise<Running> {
  if (spawnSync(program, ['-v']).error !== undefined) throw new Error(`${program} is not on PATH`)
  const child = spawnOn(measuredCore, program, args, {})
  for (let attempts = 0; attempts < 200; attempts += 1) {
    if (await listens(port)) return { url: `http://127.0.0.1:${port}`, pid: child.pid ?? 0 }
    await delay(20)
  }
  throw new Error(`${program} does not listen`)
}

function listens(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect(port, '127.0.0.1')
  socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
  return promise.finally(() => socket.destroy())
}

/**
 * Runs a TypeScript file as a process to its end.
 * @returns every line it prints
 * @throws Error when it ends with another code than 0
 */
export async function runToEnd(file: string, args: string[], core: string, env: NodeJS.ProcessEnv = {}) {
  const lines: string[] = []
  const child = launch(file, args, core, env)
  const exited = once(child, 'exit')
  for await (const line of createInterface({ input: child.stdout })) lines.push(line)
  const [code] = await exited
  if (code !== 0) throw new Error(`${file} ended with ${code}`)
  return lines
}

/**
 * Starts a TypeScript file that takes orders over its IPC channel, beside the service and at idle priority: it may look at the
 * clock without a pause and takes nothing from anybody.
 */
export function startAside(file: string): ChildProcess {
  const command = [...(canIdle ? ['chrt', '-i', '0'] : []), ...onCore(otherCore), process.execPath, file]
  return keep(spawn(command[0] ?? '', command.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }))
}

function launch(file: string, args: string[], core: string, env: NodeJS.ProcessEnv) {
  return spawnOn(core, process.execPath, [file, ...args], env)
}

function spawnOn(core: string, program: string, args: string[], env: NodeJS.ProcessEnv) {
  const command = [...onCore(core), program, ...args]
  return keep(
    spawn(command[0] ?? '', command.slice(1), {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  )
}

/** What a command begins with that is to be held to a core, or to several as taskset names them; nothing where that cannot be. */
export function onCore(core: string): string[] {
  return canPin ? ['taskset', '-c', core] : []
}

function keep<Child extends ChildProcess>(child: Child): Child {
  children.push(child)
  return child
}

/** Holds this process to a core. */
export function pinThisProcess(core: string): void {
  if (canPin) spawnSync('taskset', ['-cp', core, String(process.pid)])
}

/** Ends every process that was started. */
export function stopAll(): void {
  for (const child of children) child.kill('SIGTERM')
}
