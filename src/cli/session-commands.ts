// `sessions list|revoke`. A gateway that runs on the same store follows what is ended here. A session id is not a secret: it
// names a session and cannot be presented.

import { timestamp } from '../../plugins/auth-routes/wire/session-view.ts'
import { canonicalUserName } from '../../plugins/credentials/user-name.ts'
import type { Session, Store } from '../../plugins/session-store/port/store.ts'
import { newestRotation } from '../../plugins/session-store/rotation.ts'
import { CliError, type Command, type Invocation, isGiven, printRows, report, textsOf, UsageError } from './command.ts'

/** The commands by their two words. */
export const sessionCommands: Record<string, Command> = {
  'sessions list': {
    synopsis: 'sessions list --sub <name>',
    meaning: 'lists the live sessions of a user',
    options: { sub: { type: 'string' } },
    positionals: [0, 0],
    needs: 'store',
    run: listSessions,
  },
  'sessions revoke': {
    synopsis: 'sessions revoke <sid> | --sub <name>',
    meaning: 'ends one session, or all sessions of a user',
    options: { sub: { type: 'string' } },
    positionals: [0, 1],
    needs: 'store',
    run: revokeSessions,
  },
}

function subjectIn(invocation: Invocation): string | undefined {
  const [typed] = textsOf(invocation, 'sub')
  const sub = typed === undefined ? undefined : canonicalUserName(typed)
  if (typed !== undefined && sub === undefined) throw new CliError(`${JSON.stringify(typed)} cannot be a user name.`)
  return sub
}

async function listSessions(invocation: Invocation, store: Store): Promise<void> {
  const sub = subjectIn(invocation)
  if (sub === undefined) throw new UsageError('sessions list needs --sub <name>')
  const sessions = await store.sessions.list(sub)
  printRows(sessions.map(rowOf), isGiven(invocation, 'json'))
}

function rowOf(session: Session): Record<string, unknown> {
  return {
    sid: session.sid,
    generation: session.generation,
    created_at: timestamp(session.createdAt),
    refreshed_at: timestamp(newestRotation(session)),
    expires_at: timestamp(session.absoluteExpirySeconds * 1000),
    ip: session.ip,
    device: session.device,
  }
}

async function revokeSessions(invocation: Invocation, store: Store): Promise<void> {
  const sub = subjectIn(invocation)
  const [sid] = invocation.positionals
  if ((sub === undefined) === (sid === undefined))
    throw new UsageError('sessions revoke needs a session id or --sub <name>')
  const { revocations } =
    sub !== undefined
      ? await store.sessions.endAll(sub, 'revoked_by_admin')
      : await store.sessions.end(sid ?? '', 'revoked_by_admin')
  if (sid !== undefined && revocations.length === 0) await refuseTokensOf(sid, store)
  report(invocation, { ended: revocations.length }, `sessions ended: ${revocations.length}`)
}

// The store may have lost the session, and then its access tokens are all that is left of it.
async function refuseTokensOf(sid: string, store: Store): Promise<never> {
  const isLost = /^[A-Za-z0-9_-]{32}$/.test(sid) && (await store.sessions.read(sid)) === undefined
  if (isLost) await store.sessions.revoke({ kind: 'session', sid, sub: '', reason: 'revoked_by_admin' })
  const more = isLost ? ' The store does not hold it; access tokens of it are refused from now on.' : ''
  throw new CliError(`There is no live session ${JSON.stringify(sid)}.${more}`)
}
