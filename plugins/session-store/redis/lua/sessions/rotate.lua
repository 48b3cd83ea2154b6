-- The rotation decision and its effect, in one step: rotation.ts's `decide` and `succeed` where the session lives.
--
-- KEYS[1] the subject's sessions
-- KEYS[2] the session's tombstone
-- KEYS[3] the revocation log; absent in a Cluster
-- KEYS[4] the global not-before; absent in a Cluster, where the adapter checks by it
-- ARGV[1] now, ms; '' for the store's clock      ARGV[2] how long the log is kept, ms
-- ARGV[3] the sid without its tag, 18 bytes      ARGV[4] presented generation
-- ARGV[5] when the presented token was issued, s ARGV[6] grace, ms; 0: none
-- ARGV[7] the primaries this node has prepared   ARGV[8] most lost generations to adopt; 0: none
-- Returns {'unknown'} | {'revoked', tombstone} | {'expired', record, 'idle' or 'absolute'} | {'ahead', record}
--         | {'rotated', record} | {'retried', record, 'concurrent'} | {'reused', tombstone}
--         | {'retried', record, 'lost_answer'}: a fresh generation
--         | {'user_changed', tombstone}: the user's record is not the one that the session was granted by
--         | {'healed', record, how many generations had been lost}
--         | {'new_primary'}: this server became primary since, and may lack what was ended lately; nothing was done
-- Source: docs/architecture.md#the-rotation-decision, RFC 9700 section 4.14.2; sent twice, the second
-- sending is a retry and returns the same generation; without a grace, one more

local session = find(KEYS[1], ARGV[3])
if not session then
  local tombstone = redis.call('GET', KEYS[2])
  if tombstone then return { 'revoked', tombstone } end
  return { 'unknown' }
end
local not_before, ended_reason = read_not_before(KEYS[4])
if session.created < not_before then return { 'revoked', tombstone_of(session, not_before, ended_reason) } end
local now = clock(ARGV[1])
local why = expiry(session, now)
if why then return { 'expired', record(session), why } end

if not is_one_of(ARGV[7]) then return { 'new_primary' } end

local sub, revision = granted_by(session)
if not is_granted_by(redis.call('HMGET', user_key(KEYS[1], sub), 'v', 'd'), revision) then
  local _, ended = end_session(KEYS[1], session, now, 'user_disabled', KEYS[3], ARGV[2])
  return { 'user_changed', ended }
end

local presented = tonumber(ARGV[4])
local lost = presented - session.generation
if lost > 0 then
  if lost > tonumber(ARGV[8]) then return { 'ahead', record(session) } end
  -- The store has lost generations up to the presented one and goes on from there. What came when: the presented one as it
  -- says itself, the one before it no earlier than the newest that is known.
  local issued = math.min(now, ARGV[5] * 1000)
  session.generation = presented
  session.newest, session.second = math.max(0, issued - session.created), session.newest
end
if presented == session.generation then
  succeed(KEYS[1], session, presented, now)
  keep(KEYS[1], session, now)
  if lost > 0 then return { 'healed', record(session), lost } end
  return { 'rotated', record(session) }
end

-- Of what came after the proven generation, nothing may have arrived: its client can only come back with that, however late.
local may_be_lost = presented >= session.proven
-- Generation p was superseded when p+1 was made; older ones than remembered are checked by the token's own issue time.
local remembered = { session.newest, session.second, session.third }
local since_created = remembered[may_be_lost and 1 or session.generation - presented]
local superseded = since_created and session.created + since_created or ARGV[5] * 1000
local grace_ms = tonumber(ARGV[6])
local is_full = may_be_lost and session.generation - presented >= most_unproven
if is_full or grace_ms > 0 and now - superseded <= grace_ms then
  prove(KEYS[1], session, presented)
  return { 'retried', record(session), 'concurrent' }
end
if may_be_lost then
  succeed(KEYS[1], session, presented, now)
  keep(KEYS[1], session, now)
  return { 'retried', record(session), 'lost_answer' }
end
local _, tombstone = end_session(KEYS[1], session, now, 'revoked_by_reuse', KEYS[3], ARGV[2])
return { 'reused', tombstone }
