-- Replaces a password hash by another of the same password, if it still is the one it was made from.
--
-- KEYS[1] the user's record
-- ARGV[1], ARGV[2] the old hash, its first 64 bytes and the rest      ARGV[3], ARGV[4] the new one, likewise
-- Returns nothing
-- Source: requirement L-01

local hash = redis.call('HMGET', KEYS[1], 'p', 'q')
if hash[1] == ARGV[1] and hash[2] == ARGV[2] then redis.call('HSET', KEYS[1], 'p', ARGV[3], 'q', ARGV[4]) end
