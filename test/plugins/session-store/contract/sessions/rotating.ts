// Contract: rows `unknown`, `revoked`, `rotated`, `retried` and `ahead` of the rotation decision, and what races with them.
import type { Test } from 'tap'
import type { Clock } from '../../../../support/clock.ts'
import { graceMs, hour, type OpenStore, openScene, second, sessionOf, tokenOf } from '../scene.ts'

export function testRotating(t: Test, open: OpenStore, clock: Clock): void {
  t.test(
    'the newest token rotates: one generation on, its own proven, the times of the last three remembered',
    async (t) => {
      const scene = await openScene(t, open, clock)
      const first = await scene.login()
      await scene.deliver(first)
      const made = [clock.nowMs]
      let session = first
      for (const [generation, step] of [7, 60_001, hour, 1].entries()) {
        clock.advance(step)
        made.unshift(clock.nowMs)
        const rotated = await scene.rotate(session)
        const proven = { provenGeneration: generation + 1 }
        session = { ...first, generation: generation + 2, ...proven, rotatedAt: made.slice(0, 3) }
        t.strictSame(rotated, { outcome: 'rotated', session })
        t.strictSame(await scene.read(session), session)
      }
    },
  )

  t.test('a lost response is made good, however late and however often: a fresh generation each time', async (t) => {
    const scene = await openScene(t, open, clock)
    const first = await scene.login()
    clock.advance(hour)
    let newest = await scene.advanceGeneration(first)
    for (const wait of [graceMs + 1, 48 * hour, 5 * hour, graceMs + 1]) {
      t.strictSame(
        await scene.rotate(first),
        { outcome: 'retried', session: newest, why: 'concurrent' },
        'the same within the grace',
      )
      clock.advance(wait)
      const rotatedAt =
        newest.generation === 2
          ? [clock.nowMs, clock.nowMs, ...first.rotatedAt]
          : [clock.nowMs, clock.nowMs, clock.nowMs]
      newest = { ...newest, generation: newest.generation + 1, rotatedAt }
      t.strictSame(await scene.rotate(first), { outcome: 'retried', session: newest, why: 'lost_answer' })
      t.strictSame(await scene.read(first), newest)
    }
    t.match(await scene.rotate(first, 0), { outcome: 'retried', session: { generation: 7 }, why: 'lost_answer' })
    t.match(await scene.rotate({ ...newest, generation: 7 }), { outcome: 'rotated', session: { provenGeneration: 7 } })
  })

  t.test('of several responses that were taken for lost, the one that arrives is honoured', async (t) => {
    const scene = await openScene(t, open, clock)
    const first = await scene.login()
    const second = await scene.advanceGeneration(first)
    for (let i = 0; i < 3; i += 1) {
      clock.advance(graceMs + 1)
      await scene.rotate(first)
    }
    clock.advance(graceMs + 1)
    t.match(await scene.rotate(second), {
      outcome: 'retried',
      why: 'lost_answer',
      session: { generation: 6, provenGeneration: 2 },
    })
    t.match(await scene.rotate(first), { outcome: 'reused' }, 'the client has certainly gone on from it')
  })

  t.test(
    'a superseded token is honoured for exactly the grace, counted from when its successor was made',
    async (t) => {
      const scene = await openScene(t, open, clock)
      const first = await scene.login()
      clock.advance(hour)
      const newest = await scene.advanceGeneration(first)
      await scene.deliver(newest)
      const retried = { outcome: 'retried', session: { ...newest, provenGeneration: 2 }, why: 'concurrent' }
      t.strictSame(await scene.rotate(first), retried)
      clock.advance(graceMs)
      t.strictSame(await scene.rotate(first), retried, 'at exactly the grace')
      t.strictSame(await scene.read(first), retried.session, 'a retry moves nothing')
      clock.advance(1)
      t.match(await scene.rotate(first), { outcome: 'reused' }, 'a millisecond later')
    },
  )

  t.test('a token several generations behind is honoured inside the grace of its own successor', async (t) => {
    for (const behind of [2, 3]) {
      for (const [late, outcome] of [
        [0, 'retried'],
        [1, 'reused'],
      ] as const) {
        const scene = await openScene(t, open, clock)
        const sessions = [await scene.login()]
        for (let i = 0; i < 4; i += 1) {
          clock.advance(3 * second)
          sessions.push(sessionOf(await scene.rotate(sessions.at(-1) ?? sessions[0] ?? (await scene.login()))))
        }
        const old = sessions.at(-1 - behind)
        const supersededAt = sessions.at(-behind)?.rotatedAt[0] ?? 0
        clock.advance(supersededAt + graceMs + late - clock.nowMs)
        t.match(old && (await scene.rotate(old)), { outcome }, `${behind} behind, ${late} ms beyond`)
      }
    }
  })

  t.test('a token older than the remembered times is honoured while it was issued inside the grace', async (t) => {
    for (const [wait, outcome] of [
      [8 * second, 'retried'],
      [graceMs + second, 'reused'],
    ] as const) {
      const scene = await openScene(t, open, clock)
      const first = await scene.login()
      let session = first
      for (let i = 0; i < 6; i += 1) session = await scene.advanceGeneration(session)
      clock.advance(wait)
      t.match(await scene.rotate(first), { outcome })
    }
  })

  t.test('a generation ahead of the store is refused and changes nothing', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    for (const step of [1, 2, 1_000_000]) {
      const ahead = { ...tokenOf(session), generation: session.generation + step }
      t.strictSame(await scene.store.sessions.rotate(ahead, graceMs), { outcome: 'ahead', session })
    }
    t.strictSame(await scene.read(session), session)
    t.match(await scene.rotate(session), { outcome: 'rotated' })
  })

  t.test('a session that was never there is unknown', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    const token = { ...tokenOf(session), sid: 'AAAAAAAAunknown00000000000000000' }
    t.strictSame(await scene.store.sessions.rotate(token, graceMs), { outcome: 'unknown' })
    t.equal(await scene.store.sessions.read(token.sid), undefined)
  })

  t.test('twenty rotations of one token at once: one rotates, the others are retried, one generation on', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => scene.rotate(session)))
    t.equal(outcomes.filter(({ outcome }) => outcome === 'rotated').length, 1)
    t.equal(outcomes.filter(({ outcome }) => outcome === 'retried').length, 19)
    const newest = { ...session, generation: 2, provenGeneration: 1, rotatedAt: [clock.nowMs, clock.nowMs] }
    for (const outcome of outcomes) t.strictSame('session' in outcome && outcome.session, newest)
    t.strictSame(await scene.read(session), newest)
  })

  t.test('an end that races with rotations wins: nothing is granted after it was answered', async (t) => {
    const scene = await openScene(t, open, clock)
    for (let round = 0; round < 10; round += 1) {
      const session = await scene.login()
      const before = Array.from({ length: round }, () => scene.rotate(session))
      const end = scene.store.sessions.end(session.sid, 'logout')
      const after = [scene.rotate(session), scene.rotate(session)]
      t.equal((await end).revocations.length, 1)
      t.match(await scene.rotate(session), { outcome: 'revoked', reason: 'logout' })
      for (const { outcome } of await Promise.all([...before, ...after])) {
        t.ok(['rotated', 'retried', 'revoked'].includes(outcome), outcome)
      }
    }
  })

  t.test('a record is the same size after 5,000 rotations', async (t) => {
    const scene = await openScene(t, open, clock)
    let session = await scene.login()
    for (let i = 0; i < 9; i += 1) session = await scene.advanceGeneration(session)
    const early = JSON.stringify(await scene.read(session)).length
    while (session.generation < 5000) {
      clock.advance(1)
      session = await scene.advanceGeneration(session)
    }
    t.equal(
      JSON.stringify(await scene.read(session)).length,
      early + '5000'.length - '10'.length + '4999'.length - '9'.length,
    )
  })
  t.end()
}
