-- Reads one session, or what is left of it.
--
-- KEYS[1] the subject's sessions
-- KEYS[2] the session's tombstone
-- KEYS[3] the global not-before; absent in a Cluster
-- ARGV[1] the sid without its tag, 18 bytes      ARGV[2] the global not-before in a Cluster; '' otherwise
-- Returns {'unknown'} | {'session', record} | {'ended', tombstone}
-- Source: docs/architecture.md#the-store

local session = find(KEYS[1], ARGV[1])
if session then
  local not_before, ended_reason = read_not_before(KEYS[3], ARGV[2])
  if session.created < not_before then return { 'ended', tombstone_of(session, not_before, ended_reason) } end
  return { 'session', record(session) }
end
local tombstone = redis.call('GET', KEYS[2])
if tombstone then return { 'ended', tombstone } end
return { 'unknown' }
