// A set for members that come and go many times a second, kept as a dense list. A Set would do, and cost a tenth of a
// request: each table it outgrows keeps what stood in it alive until the next full collection, so that V8 carries every
// request over into old space. Here a place that is left is overwritten at once.

/** What can stand in a roster, in one at a time. */
export interface Listed {
  /** Where it stands; the roster's own. -1 while it stands nowhere. */
  place: number
}

export class DenseSet<Member extends Listed> {
  readonly #members: Member[] = []

  get size(): number {
    return this.#members.length
  }

  add(member: Member): void {
    member.place = this.#members.length
    this.#members.push(member)
  }

  /** Removes a member; one that is not here stays away. */
  delete(member: Member): void {
    const last = this.#members[this.#members.length - 1]
    if (last === undefined || this.#members[member.place] !== member) return
    this.#members[member.place] = last
    last.place = member.place
    this.#members.pop()
    member.place = -1
  }

  /** Everyone who is here and has not left by its turn, in no order; who comes meanwhile is not looked at. */
  *[Symbol.iterator](): Iterator<Member> {
    for (const member of [...this.#members]) if (this.#members[member.place] === member) yield member
  }
}
