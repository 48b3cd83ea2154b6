-- Replaces the sealed text of a key, if there is a key of this id.
--
-- KEYS[1] the keys
-- ARGV[1] id of the key      ARGV[2] the sealed text, base64url
-- Returns 1 when replaced, 0 when there is no such key (any more)
-- Source: docs/architecture.md#user-and-keys; a key's value is its description in JSON, a line feed, its sealed text

local value = redis.call('HGET', KEYS[1], ARGV[1])
local description = value and string.match(value, '^{[^\n]*\n')
if not description then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], description .. ARGV[2])
return 1
