// The log of one request: nothing is made until a line is written, and each line says which request it is of.
import { pino } from 'pino'
import t from 'tap'
import { RequestLog } from '../src/request-log.ts'

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
  t.equal(made, 2, 'its own, and the one that was asked for')
  t.match(
    lines.map((line) => JSON.parse(line)),
    [
      ...['debug', 'info', 'warn', 'error', 'fatal'].map(() => ({ reqId: 'r-1', msg: 'said' })),
      { reqId: 'r-1', part: 'x', msg: 'more' },
    ],
  )
})
