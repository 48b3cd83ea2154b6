// The log of one request: nothing is made until a line is written, and each line says which request it is of.
import { pino } from 'pino'
import t from 'tap'
import { RequestLog } from '../../../src/process/request-log.ts'

t.test('a request that writes nothing makes no log; one that writes makes one', async (t) => {
  const lines: string[] = []
  let made = 0
  const onChild = () => {
    made += 1
  }
  const parent = pino({ level: 'debug', onChild }, { write: (line: string) => void lines.push(line) })
  const log = new RequestLog(parent, { reqId: 'r-1' })
  t.equal(log.level, 'debug')
  log.silent()
  log.trace('below the level')
  t.equal(made, 0)
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const) log[level]({ level }, 'said')
  log.child({ part: 'x' }).info('more')
  t.equal(made, 2, 'its own for the one that was asked for')
  log.info('words only')
  log.error(new TypeError('a failure'))
  log.error({ err: new TypeError('a failure') }, 'more of it')
  t.equal(made, 2, 'and no further one')
  t.match(
    lines.map((line) => JSON.parse(line)),
    [
      ...['debug', 'info', 'warn', 'error', 'fatal'].map(() => ({ reqId: 'r-1', msg: 'said' })),
      { reqId: 'r-1', part: 'x', msg: 'more' },
      { reqId: 'r-1', msg: 'words only' },
      { reqId: 'r-1', msg: 'a failure', err: { type: 'TypeError' } },
      { reqId: 'r-1', msg: 'more of it', err: { type: 'TypeError' } },
    ],
  )
})
