-- Ends one session, if it lives.
--
-- KEYS[1] the subject's sessions
-- KEYS[2] the session's tombstone
-- KEYS[3] the revocation log; absent in a Cluster
-- KEYS[4] the global not-before; absent in a Cluster
-- ARGV[1] now, ms; '' for the store's clock      ARGV[2] how long the log is kept, ms
-- ARGV[3] the sid without its tag, 18 bytes      ARGV[4] the reason, a word of EndReason
-- ARGV[5] the global not-before in a Cluster; '' otherwise
-- Returns {'ended', tombstone}, {'ended_before', its tombstone}, or {'not_live'}: unknown, expired
--         or not to be read, and then gone
-- Source: docs/architecture.md#the-life-of-a-failover; sent twice the second returns `ended_before`: the
-- tombstone keeps the first reason

local is_readable, session = pcall(find, KEYS[1], ARGV[3])
if not is_readable then
  remove_unreadable(KEYS[1], ARGV[3])
  return { 'not_live' }
end
if not session then
  local tombstone = redis.call('GET', KEYS[2])
  if tombstone then return { 'ended_before', tombstone } end
  return { 'not_live' }
end
local now = clock(ARGV[1])
if not is_live(session, now, read_not_before(KEYS[4], ARGV[5])) then return { 'not_live' } end
local _, tombstone = end_session(KEYS[1], session, now, ARGV[4], KEYS[3], ARGV[2])
return { 'ended', tombstone }
