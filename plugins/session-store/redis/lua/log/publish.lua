-- Appends to the revocation log: what a verb ended, each once (in a Cluster only, where the log lies in another slot than the
-- sessions); or what is dated here: a token, a signing key, or a session that the
-- store does not hold.
--
-- KEYS[1] the revocation log
-- ARGV[1] now, ms; '' for the store's clock      ARGV[2] how long the log is kept, ms
-- ARGV[3..] kind, name, sub, reason, when (ms; '' for now), for each revocation
-- Returns now
-- Source: docs/architecture.md#revocation; what ended, sent twice or long ago, changes nothing; what is
-- dated here may be there twice

-- An entry's position is never before the time it ended at, and hardly after: it was published before the verb answered.
local function is_published(log, kind, name, ended_at)
  for _, entry in ipairs(redis.call('XRANGE', log, ended_at, '+', 'COUNT', 1000)) do
    if entry[2][2] == kind and entry[2][4] == name then return true end
  end
  return false
end

local now, retention_ms = clock(ARGV[1]), tonumber(ARGV[2])
for i = 3, #ARGV, 5 do
  local kind, name, sub, reason, ended_at = unpack(ARGV, i, i + 4)
  if ended_at == '' then
    publish(KEYS[1], retention_ms, now, kind, name, sub, reason)
  elseif tonumber(ended_at) >= now - retention_ms and not is_published(KEYS[1], kind, name, ended_at) then
    publish(KEYS[1], retention_ms, tonumber(ended_at), kind, name, sub, reason)
  end
end
return string.format('%.0f', now)
