// 1 GiB through a gateway that is a process of its own, there and back at once: every byte arrives, and the gateway's memory stays
// what it was. Linux only, as is the look at its memory.
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import t, { type Test } from 'tap'
import { costOf } from '../../../bench/targets/process-cost.ts'
import { GatewayProcess } from '../../support/processes/gateway-process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { startStreamingUpstream } from '../../support/upstream.ts'

t.setTimeout(110_000)
const mebibyte = 1024 * 1024
const partBytes = 256 * 1024
/** What V8 and the sockets may take while they are busy. */
const growthLimitMiB = 100

async function startGateway(t: Test, upstream: string): Promise<GatewayProcess> {
  const folder = temporaryFolder(t)
  const file = join(folder, 'cardea.config.yaml')
  const route = ['prefix: /echo', `upstream: ${upstream}`, 'policy: public']
  writeFileSync(file, `routes:\n  - ${[...route, `bodyLimitBytes: ${1024 * mebibyte}`].join('\n    ')}\n`)
  const gateway = await GatewayProcess.start({ CARDEA_CONFIG: file, CARDEA_DATA_DIR: join(folder, 'data') })
  t.teardown(() => gateway.stop())
  return gateway
}

interface Sum {
  bytes: number
  crc: number
}

/**
 * Sends so much that is never the same twice, and reads what comes back.
 * @param onPart called for each part that is sent
 */
async function echo(
  url: string,
  totalBytes: number,
  framing: Record<string, string>,
  onPart = () => {},
): Promise<[Sum, Sum]> {
  const request = httpRequest(`${url}/echo`, { method: 'POST', headers: framing })
  const sent: Sum = { bytes: 0, crc: 0 }
  const come: Sum = { bytes: 0, crc: 0 }
  const responded = once(request, 'response').then(async ([response]) => {
    for await (const part of response) add(come, part)
  })
  for (let i = 0; sent.bytes < totalBytes; i += 1) {
    const part = Buffer.alloc(partBytes, `part ${i} `)
    add(sent, part)
    onPart()
    if (!request.write(part)) await Promise.race([once(request, 'drain'), responded])
  }
  request.end()
  await responded
  return [sent, come]
}

function add(sum: Sum, part: Buffer): void {
  sum.bytes += part.length
  sum.crc = crc32(part, sum.crc)
}

function memoryOf(pid: number): number {
  return (costOf(pid)?.residentBytes ?? Number.NaN) / mebibyte
}

for (const framing of [{ 'content-length': String(1024 * mebibyte) }, { 'transfer-encoding': 'chunked' }]) {
  t.test(`1 GiB there and back by ${Object.keys(framing)}: whole, and in constant memory`, async (t) => {
    // Gives back what it is given, as it comes.
    const service = await startStreamingUpstream((request, response) => void request.pipe(response))
    t.teardown(() => service.close())
    const gateway = await startGateway(t, service.url)
    await echo(gateway.url, 64 * mebibyte, { 'transfer-encoding': 'chunked' })
    const before = memoryOf(gateway.pid ?? 0)
    let most = before
    const look = () => {
      most = Math.max(most, memoryOf(gateway.pid ?? 0))
    }
    const [sent, come] = await echo(gateway.url, 1024 * mebibyte, framing, look)
    t.equal(come.bytes, 1024 * mebibyte)
    t.strictSame(come, sent)
    const grown = most - before
    t.ok(grown < growthLimitMiB, `${Math.round(grown)} MiB more than the ${Math.round(before)} after the first 64 MiB`)
    t.comment(`at most ${Math.round(grown)} MiB more than ${Math.round(before)}`)
  })
}
