// The wire form of an event is held to what is stored: a member of the one that the other does not know would be lost unseen.
import t from 'tap'
import { eventSchema, eventView } from '../../../plugins/audit/view.ts'
import type { StoredEvent } from '../../../plugins/session-store/port/events.ts'

t.test('an event goes out with every member that is stored, and its schema names each', async (t) => {
  const stored: Required<StoredEvent> = {
    ...{ id: '1-0', at: Date.UTC(2026, 10, 1), node: 'one', reason: 'rotated', granted: true, sub: 'ana', sid: 's' },
    ...{ generation: 2, client: 'curl', network: '192.0.2.0/24', tokenAgeSeconds: 7, actor: 'root', detail: 'why' },
    ...{ requestId: 'abc-1', method: 'GET', route: '/orders/*', instance: 'http://127.0.0.1:9' },
  }
  const view = eventView(stored)
  const { tokenAgeSeconds, requestId, ...rest } = stored
  const renamed = { token_age_seconds: tokenAgeSeconds, request_id: requestId }
  t.strictSame(view, { ...rest, ...renamed, at: '2026-11-01T00:00:00.000Z' })
  t.strictSame(Object.keys(view).sort(), Object.keys(eventSchema.properties).sort())
})
