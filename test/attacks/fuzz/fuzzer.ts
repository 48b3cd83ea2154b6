// The fuzzer of connections: thousands of clients that send odd messages in odd parts and leave in the middle. Whatever they do,
// the gateway's process lives on, logs no error, answers no 500 and serves whoever asks next. A seed and a number make a connection
// again, byte by byte; when its parts arrive is the machine's affair.
import { connect, type Socket } from 'node:net'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { randomOf } from '../../../simulator/random.ts'
import { oddMessage, oneOf, type Speaker } from './odd-messages.ts'
import { type FuzzScene, whatIsHeld } from './rough-scene.ts'

export interface FuzzOptions {
  scene: FuzzScene
  seed: number
  /** Begins no further connection when it says so. @param made connections so far */
  isOver: (made: number) => boolean
  /** Told now and then. */
  onProgress?: (made: number) => void
}

export interface FuzzReport {
  connections: number
  /** Responses by status. */
  statuses: Record<string, number>
  findings: string[]
}

const atOnce = 64
/** What a client that wants a response waits for it. */
const responseMs = 5000
/** What it waits for the rest when it has ended its side, or stays without a word. */
const leaveMs = 300
const probeEvery = 250
const maxFindings = 20

/** Runs until it is over or has found enough. */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { scene, onProgress } = options
  const before = scene.descriptors()
  const report: FuzzReport = { connections: 0, statuses: {}, findings: [] }
  const isOver = () => !scene.isAlive() || report.findings.length >= maxFindings || options.isOver(report.connections)
  const work = async () => {
    while (!isOver()) {
      const number = report.connections++
      note(report, number, await connection(options, number))
      report.findings.push(...scene.findings().map((finding) => `around connection ${number}: ${finding}`))
      if (number % probeEvery !== 0 || isOver()) continue
      report.findings.push(...(await scene.probe()).map((wrong) => `after connection ${number}: ${wrong}`))
      onProgress?.(number)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  if (!scene.isAlive()) report.findings.push('the process is gone', ...scene.findings())
  else report.findings.push(...(await scene.probe()), ...scene.findings())
  if (report.findings.length === 0) report.findings.push(...(await whatIsHeld(scene, before)))
  return report
}

function note({ statuses, findings }: FuzzReport, number: number, text: string): void {
  for (const [, status = ''] of text.matchAll(/(?:^|\n|\})HTTP\/1\.1 (\d{3}) /g)) {
    statuses[status] = (statuses[status] ?? 0) + 1
    if (status === '500') findings.push(`connection ${number} was answered 500: ${text.slice(-400)}`)
  }
}

/** Makes one connection. @returns what came back */
async function connection({ scene, seed }: FuzzOptions, number: number): Promise<string> {
  const random = randomOf(seed, number)
  const port = random.chance(0.08) ? scene.metricsPort : scene.port
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  const heard = listen(socket, !random.chance(0.15))
  for (const part of partsOf({ random, token: scene.token })) {
    if (socket.destroyed || heard.ended) break
    socket.write(part, 'latin1')
    await waitFor(oneOf(random, ['nothing', 'turn', 'moment', 'response'] as const), socket, random.between(0, 8))
  }
  await leave(oneOf(random, ['end', 'end', 'reset', 'reset', 'stay'] as const), socket)
  return heard.text
}

function listen(socket: Socket, reads: boolean): { text: string; ended: boolean } {
  const heard = { text: '', ended: false }
  socket.on('error', () => undefined).on('end', () => Object.assign(heard, { ended: true }))
  if (reads) {
    socket.on('data', (part) => {
      // Of a long body only the beginning is looked at.
      if (heard.text.length < 65_536) heard.text += part.toString('latin1')
    })
  } else socket.pause()
  return heard
}

function partsOf(speaker: Speaker): string[] {
  const { random } = speaker
  const messages = Array.from({ length: Math.ceil(random.between(0, 4)) }, () => oddMessage(speaker))
  if (random.chance(0.03)) messages.push((messages[0] ?? '').repeat(100))
  const all = messages.join('')
  const bytes = random.chance(0.3) ? all.slice(0, random.between(0, all.length)) : all
  const cuts = Array.from({ length: Math.floor(random.between(0, 4)) }, () => random.between(0, bytes.length))
  const places = [0, ...cuts, bytes.length].map(Math.floor).sort((a, b) => a - b)
  return places.slice(1).map((to, i) => bytes.slice(places[i], to))
}

async function waitFor(what: 'nothing' | 'turn' | 'moment' | 'response', socket: Socket, ms: number): Promise<void> {
  if (what === 'turn') await turn()
  else if (what === 'moment') await delay(ms)
  else if (what === 'response') await Promise.race([once(socket, 'data'), once(socket, 'close'), delay(responseMs)])
}

async function leave(how: 'end' | 'reset' | 'stay', socket: Socket): Promise<void> {
  if (how === 'reset') socket.resetAndDestroy()
  else if (how === 'end') socket.end()
  const gone = new AbortController()
  // A client that does not read never hears that the other side has closed.
  await Promise.race([once(socket, 'close'), delay(leaveMs, undefined, { signal: gone.signal }).catch(() => undefined)])
  gone.abort()
  socket.destroy()
}

function once(socket: Socket, event: string): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve()
    else socket.once(event, () => resolve())
  })
}
