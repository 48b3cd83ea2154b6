-- Adds a user, unless there is one of this name.
--
-- KEYS[1] the user's record
-- ARGV[1] now, ms; '' for the store's clock      ARGV[2] the primaries this node has prepared
-- ARGV[3..] fields of the record and their values, all but when it was made
-- Returns the record, names and values in turn; nothing when there was one already, and nothing is changed then; or
--         {'new_primary'}: it may lack a user of that name
-- Source: docs/architecture.md#the-store

if not is_one_of(ARGV[2]) then return { 'new_primary' } end
if redis.call('EXISTS', KEYS[1]) == 1 then return {} end
redis.call('HSET', KEYS[1], 'c', clock(ARGV[1]), unpack(ARGV, 3))
return redis.call('HGETALL', KEYS[1])
