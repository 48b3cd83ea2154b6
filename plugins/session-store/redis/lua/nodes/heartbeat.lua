-- Notes what a node says about itself, and forgets those that have been silent.
--
-- KEYS[1] the nodes
-- ARGV[1] the node   ARGV[2] its report, which begins with when it was made (ms) and a blank   ARGV[3] forget after, ms
-- Returns nothing
-- Source: docs/architecture.md#event; sent twice it changes nothing more

local now = tonumber(string.match(ARGV[2], '^%d+'))
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do
  if tonumber(string.match(flat[i + 1], '^%d+')) < now - ARGV[3] then redis.call('HDEL', KEYS[1], flat[i]) end
end
