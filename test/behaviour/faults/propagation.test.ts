// The short form of bench/propagation.ts: what one gateway revokes is refused by two others soon, and never missed, also while
// their links to Redis are cut again and again.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { PropagationScene, startService } from '../../plugins/revocation/propagation.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const config = join(temporaryFolder(t), 'cardea.config.yaml')
writeFileSync(config, await startService(t))
const scene = await PropagationScene.start(t, config)
const revokes = 150
// The figures are the bench's, on a machine that does nothing else. Here it is only that nobody waits for a timeout.
const boundMs = 1_000

for (const [title, cutEveryMs] of [
  ['over whole links', undefined],
  ['over links that are cut ten times a second', 100],
] as const) {
  t.test(`${revokes} revokes reach two other nodes ${title}`, async (t) => {
    const { tookMs, missed, cuts } = await scene.measure({ revokes, ...(cutEveryMs && { cutEveryMs }) })
    t.equal(missed, 0)
    t.equal(tookMs.length, 2 * revokes)
    t.equal(cuts > 0, cutEveryMs !== undefined)
    const at = (share: number) => Math.round(tookMs[Math.floor((tookMs.length - 1) * share)] ?? Number.NaN)
    t.comment(`p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, at most ${at(1)} ms, ${cuts} cuts`)
    t.ok(at(0.99) < boundMs, `p99 ${at(0.99)} ms`)
  })
}
