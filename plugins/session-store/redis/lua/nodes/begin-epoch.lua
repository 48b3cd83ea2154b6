-- Notes the primaries that serve the store. With one that was not noted before an epoch begins: what its predecessor
-- acknowledged last may be lost.
--
-- KEYS[1] the epochs, a hash: replication id -> 'began from until', ms: when it was first seen, and between which times lost
--         writes were made; zeros for a primary on which the store was begun
-- ARGV[1] now, ms; '' for the store's clock
-- ARGV[2] how long before its end, as the node knows it, a primary may have lost what it wrote, ms
-- ARGV[3] how long the epochs are kept, ms
-- ARGV[4..] for each primary: its replication id | for how long its predecessor has been silent, ms; '' when this node has
--           known none
-- Returns for each primary how long ago its epoch began, ms; -1 when the store was begun on it
-- Source: docs/architecture.md#the-life-of-a-failover; sent twice, it changes nothing

-- More primaries than a store ever has at once; the one first seen longest ago is forgotten.
local limit = 64

local now, window_ms = clock(ARGV[1]), tonumber(ARGV[2])
local is_new_store = redis.call('EXISTS', KEYS[1]) == 0
local ages = {}
for i = 4, #ARGV, 2 do
  local id, silent_ms = ARGV[i], tonumber(ARGV[i + 1])
  local began, from, upto = string.match(redis.call('HGET', KEYS[1], id) or '', '^(%d+) (%d+) (%d+)$')
  if began then
    began, from, upto = tonumber(began), tonumber(from), tonumber(upto)
    -- Of all nodes the one counts that heard the predecessor last.
    if began > 0 and silent_ms then upto = math.max(upto, now - silent_ms + window_ms) end
  elseif is_new_store and not silent_ms then
    began, from, upto = 0, 0, 0
  else
    began, from, upto = now, math.max(0, now - (silent_ms or 0) - window_ms), now
    if silent_ms then upto = now - silent_ms + window_ms end
  end
  redis.call('HSET', KEYS[1], id, string.format('%.0f %.0f %.0f', began, from, upto))
  ages[#ages + 1] = began > 0 and math.max(0, now - began) or -1
end

local flat = redis.call('HGETALL', KEYS[1])
if #flat > 2 * limit then
  local oldest, oldest_began
  for i = 1, #flat, 2 do
    local began = tonumber(string.match(flat[i + 1], '^%d+'))
    if not oldest or began < oldest_began then oldest, oldest_began = flat[i], began end
  end
  redis.call('HDEL', KEYS[1], oldest)
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return ages
