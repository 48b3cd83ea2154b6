-- Removes a sealed key for good: what stays is a tombstone, so that nobody adds the key again who has not heard of it.
--
-- KEYS[1] the keys
-- ARGV[1] now, ms; '' for the store's clock      ARGV[2] how long a tombstone is kept, ms
-- ARGV[3] the primaries this is meant for; '' for any      ARGV[4] id of the key
-- Returns 'removed', or 'elsewhere': another primary answers, and nothing was done
-- Source: docs/architecture.md#user-and-keys; sent twice, it changes nothing more
-- A key's value is a line of JSON, which begins with `{`; a tombstone's is
--         when it was made, ms.

if ARGV[3] ~= '' and not is_one_of(ARGV[3]) then return 'elsewhere' end
local now = clock(ARGV[1])
local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do
  local removed_at = tonumber(flat[i + 1])
  if removed_at and removed_at < now - ARGV[2] then redis.call('HDEL', KEYS[1], flat[i]) end
end
redis.call('HSET', KEYS[1], ARGV[4], string.format('%.0f', now))
return 'removed'
