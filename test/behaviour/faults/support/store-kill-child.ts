// The process that store-kill.test.ts kills: refreshes the sessions of a store in turn, for ever, and writes a line for each
// refresh that was answered. Arguments: the file of the store, then sids.
import { writeSync } from 'node:fs'
import { openEmbeddedStore } from '../../../../plugins/session-store/embedded/index.ts'
import { sessionOf, tokenOf } from '../../../plugins/session-store/contract/scene.ts'

const [file = '', ...sids] = process.argv.slice(2)
const store = openEmbeddedStore({ file })
const sessions = []
for (const sid of sids) {
  const session = await store.sessions.read(sid)
  if (!session) throw new Error(`no session ${sid}`)
  sessions.push(session)
}
for (let round = 0; ; round += 1) {
  const session = sessions[round % sessions.length]
  if (!session) throw new Error('no sessions')
  const rotated = sessionOf(await store.sessions.rotate(tokenOf(session), 0))
  sessions[round % sessions.length] = rotated
  // Synchronous: the line is with the reader before the next refresh begins, as a response on a socket would be.
  writeSync(1, `${rotated.sid} ${rotated.generation} ${rotated.rotatedAt[0]}\n`)
}
