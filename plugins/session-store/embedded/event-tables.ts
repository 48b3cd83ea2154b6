// The tables of what happened, in the embedded store: steps of its migrations (embedded/schema.ts), and nothing else.

/** The step that adds them. */
export const eventTables = `
  -- AUTOINCREMENT: an id is never given twice, even after the newest events have been deleted.
  CREATE TABLE events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    sid TEXT,
    sub TEXT,
    reason TEXT NOT NULL,
    event TEXT NOT NULL                   -- JSON, node included
  ) STRICT;

  CREATE TABLE eventBatches (
    run TEXT NOT NULL PRIMARY KEY,
    batch INTEGER NOT NULL,
    newSignals TEXT NOT NULL,             -- JSON array of ids
    at INTEGER NOT NULL                   -- ms
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX eventBatchesByTime ON eventBatches (at);

  CREATE TABLE usageCounts (
    "table" TEXT NOT NULL,
    field TEXT NOT NULL,
    count INTEGER NOT NULL,
    purgeAt INTEGER NOT NULL,             -- ms
    PRIMARY KEY ("table", field)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX usageCountsByPurge ON usageCounts (purgeAt);

  CREATE TABLE activeSessions (
    sid TEXT NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL                   -- ms
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX activeSessionsByTime ON activeSessions (at);

  CREATE TABLE signals (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,                  -- ms
    signal TEXT NOT NULL                  -- JSON
  ) STRICT;
  CREATE INDEX signalsById ON signals (id, at);

  CREATE TABLE timelines (
    sid TEXT NOT NULL PRIMARY KEY,
    entries TEXT NOT NULL,                -- timeline.ts has the form
    purgeAt INTEGER NOT NULL              -- ms
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX timelinesByPurge ON timelines (purgeAt);

  CREATE TABLE nodes (
    node TEXT NOT NULL PRIMARY KEY,
    seenAt INTEGER NOT NULL,              -- ms
    report TEXT NOT NULL                  -- JSON
  ) STRICT, WITHOUT ROWID;
`

/** The step that keeps some events longer than others. */
export const lastingEventTable = `
  CREATE TABLE lastingEvents (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    position INTEGER NOT NULL UNIQUE,     -- as in events
    sid TEXT,
    sub TEXT,
    reason TEXT NOT NULL,
    event TEXT NOT NULL                   -- JSON, node included
  ) STRICT;
`

/**
 * The step that counts active sessions by the minute they were last seen in. To count a million rows takes tens of milliseconds, in
 * which nothing is forwarded; a day has 1440 minutes.
 */
export const activeMinuteTables = `
  CREATE TABLE activeMinutes (
    minute INTEGER NOT NULL PRIMARY KEY,  -- since 1970
    sessions INTEGER NOT NULL
  ) STRICT;
  INSERT INTO activeMinutes SELECT at / 60000, count(*) FROM activeSessions GROUP BY 1;

  CREATE TRIGGER activeBegins AFTER INSERT ON activeSessions BEGIN
    INSERT INTO activeMinutes VALUES (new.at / 60000, 1) ON CONFLICT DO UPDATE SET sessions = sessions + 1;
  END;
  CREATE TRIGGER activeMoves AFTER UPDATE ON activeSessions WHEN new.at / 60000 <> old.at / 60000 BEGIN
    INSERT INTO activeMinutes VALUES (new.at / 60000, 1) ON CONFLICT DO UPDATE SET sessions = sessions + 1;
    UPDATE activeMinutes SET sessions = sessions - 1 WHERE minute = old.at / 60000;
    DELETE FROM activeMinutes WHERE minute = old.at / 60000 AND sessions = 0;
  END;
  CREATE TRIGGER activeEnds AFTER DELETE ON activeSessions BEGIN
    UPDATE activeMinutes SET sessions = sessions - 1 WHERE minute = old.at / 60000;
    DELETE FROM activeMinutes WHERE minute = old.at / 60000 AND sessions = 0;
  END;
`
