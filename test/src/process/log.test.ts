// The log on its way out: what one turn logs leaves together, whole lines stay whole, nothing is left behind by a process that
// ends, and of an error nothing is said but words.
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { pino } from 'pino'
import t from 'tap'
import { gathered, wordsOf } from '../../../src/process/log.ts'

function written() {
  const writes: string[] = []
  return { writes, log: gathered({ write: (lines: string) => void writes.push(lines) }) }
}

t.test('the lines of one turn leave in one write, in order, when it is over', async (t) => {
  const { writes, log } = written()
  log.write('one\n')
  log.write('two\n')
  t.strictSame(writes, [])
  await new Promise(setImmediate)
  t.strictSame(writes, ['one\ntwo\n'])
  log.write('three\n')
  await new Promise(setImmediate)
  t.strictSame(writes, ['one\ntwo\n', 'three\n'])
})

t.test(
  'a write holds whole lines, and no more bytes than a pipe keeps together unless one line is longer',
  async (t) => {
    const { writes, log } = written()
    const lines = [1000, 3000, 96, 1, 5000, 4095, 2].map(
      (length) => `${'é'.repeat(length >> 1)}${'x'.repeat(length & 1)}\n`,
    )
    for (const line of lines) log.write(line)
    await new Promise(setImmediate)
    t.equal(writes.join(''), lines.join(''))
    for (const one of writes) {
      t.ok(one.endsWith('\n'))
      t.ok(Buffer.byteLength(one) <= 4096 || one.indexOf('\n') === one.length - 1, `${Buffer.byteLength(one)} bytes`)
    }
    t.equal(writes.length, 5)
  },
)

t.test('of an error its words are logged, and nothing that a library has hung on it', async (t) => {
  const lines: string[] = []
  const log = pino({ serializers: { err: wordsOf } }, { write: (line: string) => void lines.push(line) })
  const cause = Object.assign(new Error('refused'), { command: { name: 'auth', args: ['open sesame'] } })
  const err = Object.assign(new TypeError('the store is away', { cause }), {
    code: 'ECONNREFUSED',
    password: 'open sesame',
  })
  log.error({ err }, 'a failure')
  const [line = ''] = lines
  t.notMatch(line, 'open sesame')
  t.match(JSON.parse(line), {
    err: { type: 'TypeError', message: /the store is away.*refused/, code: 'ECONNREFUSED', stack: /log\.test/ },
  })
  log.error({ err: 'only words' }, 'no error at all')
  t.match(JSON.parse(lines[1] ?? ''), { msg: 'no error at all' })
})

for (const end of ['process.exit(3)', "throw new Error('a surprise')"]) {
  t.test(`a process that ends by ${end} has written what it logged in that turn`, async (t) => {
    const program = `import { openLog } from '${new URL('../../../src/process/log.ts', import.meta.url)}'
      const log = openLog('info')
      log.info('first')
      openLog('info').warn('second')
      ${end}`
    const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const lines = (await text(child.stdout)).trim().split('\n')
    t.match(
      lines.map((line) => JSON.parse(line)),
      [{ msg: 'first' }, { msg: 'second' }],
    )
  })
}
