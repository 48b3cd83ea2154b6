// The list of administrators in Redis, which keeps the last one. Users' records lie in slots of their own, so no script can look at
// all of them: one list in one slot decides who may leave. It never says of anybody that they are an administrator who is not, as far
// as a process that dies in between can bring it: who leaves leaves it before the record is changed, who comes comes after. What
// lost writes have made of it is put right from the records, which are the truth, before anybody leaves.
import { isAdministrator, LastAdministrator } from '../../port/administrators.ts'
import type { UserStore } from '../../port/store.ts'
import type { RedisLink } from '../connection/link.ts'
import type { RedisNames } from '../key-names.ts'
import { scripts } from '../scripts.ts'

const member = '1'
const pageSize = 500

export class RedisAdministrators {
  readonly #link: RedisLink
  readonly #names: RedisNames
  readonly #users: Pick<UserStore, 'find' | 'list'>

  constructor(link: RedisLink, names: RedisNames, users: Pick<UserStore, 'find' | 'list'>) {
    this.#link = link
    this.#names = names
    this.#users = users
  }

  /** Puts somebody on the list whose record says that they are one. */
  async enter(sub: string): Promise<void> {
    await this.#link.command('HSET', [this.#names.administrators, sub, member])
  }

  /** For somebody whose record is about to say that they are none. @throws LastAdministrator when there is no other one */
  async leave(sub: string): Promise<void> {
    await this.#forgetStrangers(sub)
    if (await this.#left(sub)) return
    await this.#findOthers(sub)
    if (!(await this.#left(sub))) throw new LastAdministrator()
  }

  /** After the record was changed. */
  async forget(sub: string): Promise<void> {
    await this.#link.command('HDEL', [this.#names.administrators, sub])
  }

  async #left(sub: string): Promise<boolean> {
    return (await this.#link.run(scripts.leaveAdministrators, [this.#names.administrators], [sub])) === 1
  }

  async #forgetStrangers(leaving: string): Promise<void> {
    for (const [sub, state] of await this.#list()) {
      if (sub === leaving || state !== member) continue
      if (!isAdministrator(await this.#users.find(sub))) await this.forget(sub)
    }
  }

  async #findOthers(leaving: string): Promise<void> {
    // Of one who leaves the record may not be changed yet. Whoever stays marked, because a process died, counts again once made one.
    const list = await this.#list()
    for (let after: string | undefined = ''; after !== undefined; ) {
      const page = await this.#users.list(after, pageSize)
      for (const user of page) {
        const isListed = user.sub === leaving || list.has(user.sub)
        if (!isListed && isAdministrator(user)) await this.enter(user.sub)
      }
      after = page.length < pageSize ? undefined : page.at(-1)?.sub
    }
  }

  async #list(): Promise<Map<string, string>> {
    // Boundary: HGETALL answers names and values in turn.
    const flat = (await this.#link.command('HGETALL', [this.#names.administrators])) as Buffer[]
    const list = new Map<string, string>()
    for (let i = 0; i + 1 < flat.length; i += 2) list.set(String(flat[i]), String(flat[i + 1]))
    return list
  }
}
