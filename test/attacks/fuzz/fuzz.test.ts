// The fuzzer of connections in its short form: ten thousand random connections against a real process. `npm run fuzz` does the same
// for as long as one likes.
import t from 'tap'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { fuzz } from './fuzzer.ts'
import { openScene } from './rough-scene.ts'

t.setTimeout(118_000)
const connections = 10_000
const seed = 14
/** On a machine that is busy with other things it ends earlier, ms. */
const maxMs = 40_000
const fewest = 500

t.test('ten thousand random connections leave the process as it was, and nobody unserved', async (t) => {
  const scene = await openScene(temporaryFolder(t))
  t.teardown(() => scene.close())
  const endMs = performance.now() + maxMs
  const isOver = (made: number) => made >= connections || performance.now() > endMs
  const { findings, statuses, connections: made } = await fuzz({ scene, seed, isOver })
  t.same(findings, [], `seed ${seed}: ${JSON.stringify(statuses)}`)
  t.ok(made >= fewest, `${made} connections`)
  t.ok((statuses['200'] ?? 0) > fewest / 50, 'much of it was served')
})
