-- Ends again what a node remembers to have ended, on a primary that may have lost it: a session that lives gets the tombstone
-- it had. One that is unknown needs none: no verb brings it back.
--
-- KEYS[1] the subject's sessions
-- KEYS[2] the session's tombstone
-- ARGV[1] the primaries this is meant for        ARGV[2] the sid without its tag, 18 bytes
-- ARGV[3] the reason, a word of EndReason        ARGV[4] when it ended, ms
-- Returns 'buried', 'nothing' when no such session lives, or 'elsewhere': another primary answers, and nothing was done
-- Source: docs/architecture.md#the-life-of-a-failover; sent twice the second finds nothing live
-- The log is written by log/restore.lua.

if not is_one_of(ARGV[1]) then return 'elsewhere' end
local is_readable, session = pcall(find, KEYS[1], ARGV[2])
if not is_readable then
  remove_unreadable(KEYS[1], ARGV[2])
  return 'buried'
end
if not session or redis.call('EXISTS', KEYS[2]) == 1 then return 'nothing' end
end_session(KEYS[1], session, tonumber(ARGV[4]), ARGV[3])
return 'buried'
