-- Replaces a password hash by another of the same password, if the record still is the one that was read.
--
-- KEYS[1] the user's record
-- ARGV[1] the seal that was read      ARGV[2..] fields of the record and their values, all but when it was made
-- Returns nothing
-- Source: docs/threat-model.md#what-is-protected

if redis.call('HGET', KEYS[1], 'm') == ARGV[1] then redis.call('HSET', KEYS[1], unpack(ARGV, 2)) end
