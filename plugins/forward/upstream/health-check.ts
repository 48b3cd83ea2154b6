// Active health checks: asks every instance of a route at intervals whether it is well, and keeps requests from one that is
// not. It never marks an instance by what a client asked for.

import type { Call, CallConnection, CallFailure, OutgoingRequest } from '../client/call.ts'
import type { ResponseHead } from '../client/response-head.ts'
import type { CompiledRoute, Instance } from '../route/compile.ts'
import type { HealthConfig } from '../route/timing.ts'
import type { Upstreams } from './upstreams.ts'

/** Told of each change. */
export type HealthListener = (route: CompiledRoute, instance: Instance) => void

export class HealthChecks {
  readonly #upstreams: Upstreams
  readonly #onChange: HealthListener
  readonly #timers: NodeJS.Timeout[] = []
  readonly #asked = new Set<Instance>()

  constructor(upstreams: Upstreams, onChange: HealthListener) {
    this.#upstreams = upstreams
    this.#onChange = onChange
  }

  /** Begins to check the instances of a route, at once and then at its interval; nothing when the route wants none. */
  open(route: CompiledRoute): void {
    const { health } = route
    if (health === undefined) return
    const checkAll = () => {
      for (const instance of route.instances) this.#check(route, health, instance)
    }
    checkAll()
    this.#timers.push(setInterval(checkAll, health.intervalMs).unref())
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer)
  }

  #check(route: CompiledRoute, health: HealthConfig, instance: Instance): void {
    if (this.#asked.has(instance)) return
    this.#asked.add(instance)
    const fields = ['host', instance.host, 'user-agent', 'cardea-health-check']
    const question: OutgoingRequest = { method: 'GET', path: health.path, fields, body: null, bodyBytes: -1 }
    const probe: Probe = new Probe(health.timeoutMs, {
      onResponse: (isWell) => {
        this.#asked.delete(instance)
        // What could not be asked is not answered.
        if (isWell !== undefined) this.#record(route, health, instance, isWell)
      },
      askAnew: () => this.#upstreams.sendAnew(route, instance, question, probe),
    })
    this.#upstreams.send(route, instance, question, probe)
  }

  #record(route: CompiledRoute, health: HealthConfig, instance: Instance, isWell: boolean): void {
    instance.sickChecks = isWell ? 0 : instance.sickChecks + 1
    const isSick = instance.sickChecks >= health.failures
    if (isSick === instance.isSick) return
    instance.isSick = isSick
    this.#onChange(route, instance)
  }
}

interface Asker {
  /** @param isWell undefined when this process had no means to ask */
  onResponse(isWell: boolean | undefined): void
  /** Asks the same on a connection of its own. */
  askAnew(): void
}

// One question: 2xx in time is yes. The body is read to its end, so that the connection can be kept.
class Probe implements Call {
  readonly #timer: NodeJS.Timeout
  readonly #asker: Asker
  #mayRepeat = true
  #connection: CallConnection | undefined
  #isTold = false
  #isWell = false

  constructor(timeoutMs: number, asker: Asker) {
    this.#asker = asker
    this.#timer = setTimeout(() => this.#end(false), timeoutMs).unref()
  }

  onSending(connection: CallConnection): boolean {
    this.#connection = connection
    return !this.#isTold
  }

  onHead({ statusCode }: ResponseHead): void {
    this.#isWell = statusCode < 300
  }

  onBody(): void {}

  onEnd(): void {
    this.#end(this.#isWell)
  }

  // RFC 9112 section 9.3.1: a kept connection that the service has closed meanwhile says nothing about the service.
  onFailure({ kind }: CallFailure): void {
    if ((kind !== 'closed' && kind !== 'raced') || !this.#mayRepeat || this.#isTold) {
      this.#end(kind === 'lacking' ? undefined : false)
      return
    }
    this.#mayRepeat = false
    this.#connection = undefined
    this.#asker.askAnew()
  }

  #end(isWell: boolean | undefined): void {
    if (this.#isTold) return
    this.#isTold = true
    clearTimeout(this.#timer)
    this.#connection?.abort(this, 'too_late')
    this.#asker.onResponse(isWell)
  }
}
