// Active health checks: asks every instance of a route at intervals whether it is well, and keeps requests from one that is
// not. Opened for each route by index.ts, closed with the app. It never marks an instance by what a client asked for.
import type { Dispatcher } from 'undici'
import type { CompiledRoute, HealthConfig, Instance } from './route.ts'
import type { Upstreams } from './upstream.ts'

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
    const probe = new Probe(health.timeoutMs, (isWell) => {
      this.#asked.delete(instance)
      this.#judge(route, health, instance, isWell)
    })
    const headers = ['host', instance.host, 'user-agent', 'cardea-health-check']
    this.#upstreams.dispatch(route, instance, { path: health.path, method: 'GET', headers }, probe)
  }

  #judge(route: CompiledRoute, health: HealthConfig, instance: Instance, isWell: boolean): void {
    instance.sickChecks = isWell ? 0 : instance.sickChecks + 1
    const isSick = instance.sickChecks >= health.failures
    if (isSick === instance.isSick) return
    instance.isSick = isSick
    this.#onChange(route, instance)
  }
}

// One question: 2xx in time is yes. The body is read to its end, so that the connection can be kept.
class Probe implements Dispatcher.DispatchHandler {
  readonly #timer: NodeJS.Timeout
  readonly #tell: (isWell: boolean) => void
  #controller: Dispatcher.DispatchController | undefined
  #isTold = false
  #isWell = false

  constructor(timeoutMs: number, tell: (isWell: boolean) => void) {
    this.#tell = tell
    this.#timer = setTimeout(() => this.#end(false), timeoutMs).unref()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isTold) controller.abort(new Error('too late'))
  }

  onResponseStart(_controller: Dispatcher.DispatchController, statusCode: number): void {
    if (statusCode >= 200) this.#isWell = statusCode < 300
  }

  onResponseData(): void {}

  onResponseEnd(): void {
    this.#end(this.#isWell)
  }

  onResponseError(): void {
    this.#end(false)
  }

  #end(isWell: boolean): void {
    if (this.#isTold) return
    this.#isTold = true
    clearTimeout(this.#timer)
    this.#controller?.abort(new Error('settled'))
    this.#tell(isWell)
  }
}
