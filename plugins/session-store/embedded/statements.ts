// The statements of the embedded store's sessions, prepared once. They decide nothing.
import type { Database } from './database.ts'

/** Every statement about sessions, by what it does. */
export function prepareStatements(database: Database) {
  return {
    find: database.prepare('SELECT * FROM sessions WHERE sid = ?'),
    findUser: database.prepare('SELECT revision, disabled, endedAt FROM users WHERE sub = ?'),
    listBySubject: database.prepare(
      'SELECT * FROM sessions WHERE sub = ? AND revokedAt IS NULL ORDER BY createdAt DESC, rowid DESC',
    ),
    countBySubject: database.prepare('SELECT count(*) AS sessions FROM sessions WHERE sub = ? AND revokedAt IS NULL'),
    notBefore: database.prepare('SELECT at, reason FROM notBefore'),
    // All of them are looked at: an index for what is done once in a year would cost every sign-in.
    latest: database.prepare('SELECT max(createdAt) AS latest FROM sessions'),
    setNotBefore: database.prepare('INSERT OR REPLACE INTO notBefore (id, at, reason) VALUES (1, ?, ?)'),
    noteEnd: database.prepare('UPDATE users SET endedAt = ? WHERE sub = ? AND endedAt < ?'),
    insert: database.prepare(`
      INSERT INTO sessions (sid, sub, generation, provenGeneration, rotatedAt, createdAt, absoluteExpirySeconds, idleTtlSeconds,
        roles, scope, device, ip, amr, inCookie, userRevision, revokedAt, endReason, purgeAt)
      VALUES (:sid, :sub, :generation, :provenGeneration, :rotatedAt, :createdAt, :absoluteExpirySeconds, :idleTtlSeconds,
        :roles, :scope, :device, :ip, :amr, :inCookie, :userRevision, :revokedAt, :endReason, :purgeAt)`),
    update: database.prepare(`
      UPDATE sessions SET generation = ?, provenGeneration = ?, rotatedAt = ?, revokedAt = ?, endReason = ?, purgeAt = ?
      WHERE sid = ?`),
    markDelivered: database.prepare(`
      UPDATE sessions SET provenGeneration = min(?2, generation)
      WHERE sid = ?1 AND revokedAt IS NULL AND provenGeneration < min(?2, generation) RETURNING generation`),
    purge: database.prepare(
      'DELETE FROM sessions WHERE rowid IN (SELECT rowid FROM sessions WHERE purgeAt <= ? LIMIT ?)',
    ),
  }
}
