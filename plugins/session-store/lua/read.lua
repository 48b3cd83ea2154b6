-- Reads one session, or what is left of it.
--
-- KEYS[1] the subject's sessions
-- KEYS[2] the session's tombstone
-- ARGV[1] the sid without its tag, 18 bytes
-- Returns {'unknown'} | {'session', record} | {'ended', tombstone}
-- Source: design 5

local session = find(KEYS[1], ARGV[1])
if session then return { 'session', record(session) } end
local tombstone = redis.call('GET', KEYS[2])
if tombstone then return { 'ended', tombstone } end
return { 'unknown' }
