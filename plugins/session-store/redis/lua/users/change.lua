-- Changes a user; the raised revision ends logins in flight and refuses every rotation of sessions that began before.
--
-- KEYS[1] the user's record
-- ARGV[1] now, unused     ARGV[2] the primaries this node has prepared
-- ARGV[3] the revision it must be at
-- ARGV[4..] fields of the record and their values, the next revision among them
-- Returns the record, names and values in turn; nothing when there is no such user, or none at that revision, and nothing is
--         changed then; or {'new_primary'}: it may lack the newest revision
-- Source: docs/architecture.md#the-store

if not is_one_of(ARGV[2]) then return { 'new_primary' } end
if redis.call('HGET', KEYS[1], 'v') ~= ARGV[3] then return {} end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
return redis.call('HGETALL', KEYS[1])
