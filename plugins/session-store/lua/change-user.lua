-- Changes a user and raises the revision, which ends logins in flight.
--
-- KEYS[1] the user's record
-- ARGV[1] the revision it must be at; '' for any
-- ARGV[2..] fields of the record and their values; may be none
-- Returns 1 when changed, 0 when there is no such user, or none at that revision: nothing is changed then
-- Source: design 5

local revision = redis.call('HGET', KEYS[1], 'v')
if not revision or (ARGV[1] ~= '' and ARGV[1] ~= revision) then return 0 end
if #ARGV > 1 then redis.call('HSET', KEYS[1], unpack(ARGV, 2)) end
redis.call('HINCRBY', KEYS[1], 'v', 1)
return 1
