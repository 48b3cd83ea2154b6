-- Appends revocations to the log, each once: in a Cluster only, where the log lies in another slot than the sessions.
--
-- KEYS[1] the revocation log
-- ARGV[1] now, ms; '' for the store's clock      ARGV[2] how long the log is kept, ms
-- ARGV[3..] sid, sub, reason, when it ended (ms), for each revocation
-- Returns nothing
-- Source: design 4; sent twice, or for what ended long ago, it changes nothing

-- An entry's position is never before the time it ended at, and hardly after: it was published before the verb answered.
local function is_published(log, sid, ended_at)
  for _, entry in ipairs(redis.call('XRANGE', log, ended_at, '+', 'COUNT', 1000)) do
    if entry[2][2] == sid then return true end
  end
  return false
end

local now, retention_ms = clock(ARGV[1]), tonumber(ARGV[2])
for i = 3, #ARGV, 4 do
  local sid, sub, reason, ended_at = unpack(ARGV, i, i + 3)
  if tonumber(ended_at) >= now - retention_ms and not is_published(KEYS[1], sid, ended_at) then
    publish(KEYS[1], retention_ms, tonumber(ended_at), sid, sub, reason)
  end
end
