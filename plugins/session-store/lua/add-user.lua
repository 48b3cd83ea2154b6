-- Adds a user, unless there is one of this name.
--
-- KEYS[1] the user's record
-- ARGV[1] now, ms; '' for the store's clock
-- ARGV[2..] fields of the record and their values
-- Returns 1 when added, 0 when there was one already: nothing is changed then
-- Source: design 5

if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'v', 1, 'd', 0, 'c', clock(ARGV[1]), unpack(ARGV, 2))
return 1
