// A row of the table of reasons. Each column is declared here and nowhere else.

/** A reason. A column that is left out says no. */
export interface ReasonRow {
  /** What happened, for the documents. */
  meaning: string
  /** The same as a heading of the operators' page. */
  title: string
  /** How serious the operators' page shows it. */
  tone: 'good' | 'plain' | 'notice' | 'alarm'
  /** Of its log line, `info` when absent: `warn` is what an operator should look at. */
  level?: 'warn'
  /** For people, in a timeline. A reason without one is no step of a timeline. */
  sentence?: string
  /** What became of a refresh: `rotated` and `retried` give a token, `refused` and `reused` give none. */
  refresh?: 'rotated' | 'retried' | 'refused' | 'reused'
  /** What became of a sign-in, as the metrics name it. */
  login?: 'ok' | 'failed' | 'limited' | 'overloaded'
  /** Why a session is over: `revoked` is written into its tombstone, `expired` is found by the next refresh. */
  ends?: 'revoked' | 'expired'
  /**
   * Its events last: they are kept a second time, in a stream with a bound of its own, so that nobody can push them out by what
   * he brings about himself. True of what administrators did, of how sessions ended, and of alarms.
   */
  lasts?: true
  /** The request goes on, though not all of what it asked for was given. */
  goesOn?: true
  /** One session can bring it about again and again. All of it is counted; events are kept of so much a session only. */
  repeats?: true
}
