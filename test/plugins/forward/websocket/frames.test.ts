// Tests of where frames end, however their bytes are cut (RFC 6455 section 5.2).
import t from 'tap'
import { FrameFollower } from '../../../../plugins/forward/websocket/frames.ts'

function frameOf(payloadBytes: number, isMasked: boolean): Buffer {
  const mask = isMasked ? 0x80 : 0
  const head = [Buffer.from([0x82, mask | Math.min(payloadBytes, 125)])]
  if (payloadBytes > 65_535) {
    head[0] = Buffer.concat([Buffer.from([0x82, mask | 127]), Buffer.alloc(8)])
    head[0].writeBigUInt64BE(BigInt(payloadBytes), 2)
  } else if (payloadBytes > 125) {
    head[0] = Buffer.from([0x82, mask | 126, payloadBytes >> 8, payloadBytes & 0xff])
  }
  return Buffer.concat([...head, Buffer.alloc(isMasked ? 4 : 0, 'm'), Buffer.alloc(payloadBytes, 'x')])
}

t.test('a place between frames is known, whatever their lengths and wherever they are cut', async (t) => {
  for (const mask of [false, true]) {
    const frames = [0, 1, 125, 126, 127, 65_535, 65_536, 0].map((bytes) => frameOf(bytes, mask))
    const whole = Buffer.concat(frames)
    const ends = new Set(frames.map((_frame, i) => Buffer.concat(frames.slice(0, i)).length))
    for (const step of [1, 7, 1000, whole.length]) {
      const follower = new FrameFollower()
      for (let at = 0; at < whole.length; at += step) {
        if (follower.isBetweenFrames !== ends.has(at)) t.fail(`mask ${mask}, step ${step}, at ${at}`)
        follower.follow(whole.subarray(at, at + step))
      }
      t.ok(follower.isBetweenFrames, `mask ${mask}, step ${step}: at the end`)
    }
  }
  const long = new FrameFollower()
  long.follow(Buffer.from([0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0]))
  for (let i = 0; i < 64; i += 1) long.follow(Buffer.alloc(65_536))
  t.equal(long.isBetweenFrames, false, 'four gigabytes are not over after four megabytes')
})
