// Tests of what the kernel says of connections, and whose connection is ended by it. That it says so is shown in
// faults/link-down.test.ts.
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { repeating, VanishedClients } from '../../../plugins/clients/vanished.ts'
import { eventually } from '../../support/eventually.ts'
import { openRaw } from '../../support/raw-client.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'
const rest = '    0        0 287712 2 00000000ede42ace 1680 4 30 10 7                     \n'

t.test('connections that repeat are found in the lines of the kernel', async (t) => {
  const lines = [
    head,
    // Listening, idle, and with nothing unanswered.
    `   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 ${rest}`,
    `   1: 0100007F:1F90 0100007F:B340 01 00000000:00000000 02:00000B5C 00000000 ${rest}`,
    `   2: 0100007F:1F90 0100007F:B341 01 0000002A:00000000 01:00000014 00000000 ${rest}`,
    // TCP keep-alive counts its questions where a full reader is asked, and ends by itself.
    '   3: 0100007F:1F90 0100007F:B342 01 00000000:00000000 02:00000014 00000000     0        9 287713 1 0\n',
    `   4: 0100007F:1F90 077100CB:B343 01 0000002A:00000000 01:00000A14 00000007 ${rest}`,
    // Another server's.
    `   5: 0100007F:1F91 077100CB:B344 01 0000002A:00000000 01:00000A14 00000007 ${rest}`,
    // A client that stopped reading, and of late does not say so any more.
    ' 123: 0100007F:1F90 077100CB:B345 01 0000002A:00000000 04:00000A14 00000000     0       12 287714 1 0\n',
    // The address is 203.0.113.7 in IPv6's clothes, then 2001:db8::7; the end of our side is on its way.
    `   6: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF0000077100CB:B346 01 00000001:00000000 01:00000A14 0000000A ${rest}`,
    `12345: B80D0120000000000000000001000000:1F90 B80D0120000000000000000007000000:01BB 04 00000001:00000000 01:00000A14 00000001 ${rest}`,
  ]
  t.same(repeating(lines.join(''), 8080), [
    { connection: '127.0.0.1 8080 203.0.113.7 45891', repeats: 7 },
    { connection: '127.0.0.1 8080 203.0.113.7 45893', repeats: 12 },
    { connection: '127.0.0.1 8080 203.0.113.7 45894', repeats: 10 },
    { connection: '2001:db8::1 8080 2001:db8::7 443', repeats: 1 },
  ])
  t.same(repeating('', 8080), [])
  t.same(repeating('no table\n'.repeat(9), 8080), [])
})

// A server, its clients, and a table that says of them what the test wants.
async function openScene(t: Test) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => sockets.add(socket.once('close', () => sockets.delete(socket)).resume()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  const { port } = address
  const clients = [openRaw(port), openRaw(port)]
  t.teardown(() => {
    for (const { socket } of clients) socket.destroy()
    server.close()
  })
  await eventually('both are connected', () => sockets.size === clients.length)
  const table = join(temporaryFolder(t), 'tcp')
  const vanished = new VanishedClients(sockets, ['/nowhere/tcp', table])
  // What the first client's connection is said to have repeated at each look; beside it a table as long as others fill it.
  const look = async (repeats: number, others = 0) => {
    const [first] = clients
    const lineOf = (client: number, count: number) =>
      `   1: 0100007F:${word(port, 4)} 0100007F:${word(client, 4)} 01 0000002A:00000000 01:0000000A ${word(count, 8)} ${rest}`
    const many = Array.from({ length: others }, (_, i) => lineOf(i % 1000, 0))
    writeFileSync(table, [head, ...many, lineOf(first?.socket.localPort ?? 0, repeats)].join(''))
    await vanished.look(port)
  }
  const living = () => [...sockets].filter(({ destroyed }) => !destroyed).length
  return { clients, look, living }
}

const word = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, '0')

t.test('a client that acknowledges nothing for half a minute is let go, and no other', async (t) => {
  const { clients, look, living } = await openScene(t)
  let heard = ''
  clients[0]?.socket.once('error', ({ message }) => {
    heard = message
  })
  for (const repeats of [4, 6, 7]) await look(repeats)
  t.equal(living(), 2)
  await look(7)
  t.equal(living(), 1)
  await eventually('it hears of it if it lives', () => clients[0]?.closed === true)
  t.match(heard, /ECONNRESET/, 'and the kernel repeats no longer')
  t.notOk(clients[1]?.closed)
})

t.test('a client that is heard of now and then stays', async (t) => {
  const { look, living } = await openScene(t)
  for (const repeats of [4, 6, 7, 1, 6, 7, 0, 7, 7, 7, 2, 3, 3, 3, 3, 3]) await look(repeats)
  t.equal(living(), 2)
})

t.test('a long table is read to its end, and looks do not overtake each other', async (t) => {
  const { look, living } = await openScene(t)
  const over: string[] = []
  for (let i = 0; i < 3; i += 1) {
    await Promise.all([look(7, 3000).then(() => over.push('first')), look(7, 3000).then(() => over.push('second'))])
  }
  t.same(over, ['second', 'first', 'second', 'first', 'second', 'first'], 'one that comes too early is none')
  t.equal(living(), 2)
  await look(7, 3000)
  t.equal(living(), 1)
})
