-- Appends to the revocation log what a node remembers and has not found in it, and sets the global not-before again.
--
-- KEYS[1] the revocation log
-- KEYS[2] the global not-before, in the log's slot
-- ARGV[1] now, ms; '' for the store's clock      ARGV[2] how long the log is kept, ms
-- ARGV[3] the primaries this is meant for        ARGV[4] how long a not-before is kept, ms
-- ARGV[5] up to where the node has looked for them, a position
-- ARGV[6..] kind, name, sub, reason, when (ms), for each revocation
-- Returns 'restored', or 'elsewhere': another primary answers, and nothing was done
-- Source: docs/architecture.md#the-life-of-a-failover; sent twice, and by several nodes, it appends each once

if not is_one_of(ARGV[3]) then return 'elsewhere' end
local now, retention_ms = clock(ARGV[1]), tonumber(ARGV[2])
-- By other nodes, since this one looked.
local appended = {}
for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '(' .. ARGV[5])) do
  appended[entry[2][2] .. ' ' .. entry[2][4] .. ' ' .. entry[2][10]] = true
end
for i = 6, #ARGV, 5 do
  local kind, name, sub, reason, at = unpack(ARGV, i, i + 4)
  if not appended[kind .. ' ' .. name .. ' ' .. at] then
    publish(KEYS[1], retention_ms, now, kind, name, sub, reason, tonumber(at))
  end
  if kind == 'everyone' and tonumber(at) > (read_not_before(KEYS[2])) then
    redis.call('SET', KEYS[2], at .. ' ' .. reason, 'PX', ARGV[4])
  end
end
return 'restored'
