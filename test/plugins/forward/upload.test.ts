// The body of a client on its way to a service: how slow it may be, and whose slowness counts. The clock is held.
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import t from 'tap'
import { Upload } from '../../../plugins/forward/upload.ts'

/** An upload of which 1000 bytes a second must come, after a second. */
function uploadOf(minRate: number) {
  let nowMs = 0
  const source = new IncomingMessage(new Socket())
  const upload = new Upload(source, {
    limitBytes: 1_000_000,
    minRate,
    graceMs: 1000,
    now: () => nowMs,
    onStart: () => {},
    onProgress: () => {},
    onExcess: () => {},
  })
  const received = (bytes: number) => {
    source.push(Buffer.alloc(bytes))
    source.read()
  }
  const isTooSlowAt = (atMs: number) => {
    nowMs = atMs
    return upload.isTooSlow(atMs)
  }
  upload.read(0)
  return { upload, received, isTooSlowAt }
}

t.test('what comes slower than the least rate is too slow, however often it comes', (t) => {
  const { received, isTooSlowAt } = uploadOf(1000)
  for (let atMs = 0; atMs < 1000; atMs += 50) {
    t.equal(isTooSlowAt(atMs), false)
    received(1)
  }
  t.equal(isTooSlowAt(1019), false)
  t.equal(isTooSlowAt(1021), true)
  received(100)
  t.equal(isTooSlowAt(1021), false, 'it has caught up')
  t.end()
})

t.test('while the service holds a body back, no time counts', (t) => {
  const { upload, received, isTooSlowAt } = uploadOf(1000)
  received(100_000)
  t.equal(isTooSlowAt(500_000), false, 'nobody has taken the first part')
  while (upload.read() !== null);
  t.equal(isTooSlowAt(500_000 + 100_000), false)
  t.equal(isTooSlowAt(500_000 + 101_100), true, 'now it is the client who is waited for')
  t.end()
})

t.test('without a least rate nothing is too slow', (t) => {
  t.equal(uploadOf(0).isTooSlowAt(1e9), false)
  t.end()
})
