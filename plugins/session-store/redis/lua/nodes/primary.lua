-- The check, after clock.lua, of a verb that only a prepared primary may carry out.

-- Whether this server is one of those primaries: replication ids, with spaces between. A server has a new id from when it
-- became primary or was started, so that nobody who has not heard of that can be misled, whatever connection he uses.
local function is_one_of(primaries)
  local id = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  return string.find(primaries, id, 1, true) ~= nil
end

