-- Writes again what a node remembers of a user, on a primary that may have lost it, unless that knows a newer revision.
--
-- KEYS[1] the user's record
-- ARGV[1] the primaries this is meant for      ARGV[2] the revision that is remembered
-- ARGV[3..] fields of the record and their values, all there are
-- Returns 'restored', 'nothing' when the record is as new, or 'elsewhere': another primary answers, and nothing was done
-- Source: docs/architecture.md#the-life-of-a-failover; sent twice, and by several nodes, the newest revision stays

if not is_one_of(ARGV[1]) then return 'elsewhere' end
local known = redis.call('HGET', KEYS[1], 'v')
if known and tonumber(known) >= tonumber(ARGV[2]) then return 'nothing' end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
return 'restored'
