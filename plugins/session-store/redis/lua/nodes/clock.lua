-- The time, with which every verb that needs it begins. The store's clock decides, never a node's
-- (docs/architecture.md#the-store); only tests pass a time in. Milliseconds since 1970, whole.

local function clock(given)
  local time = redis.call('TIME')
  return tonumber(given) or time[1] * 1000 + math.floor(time[2] / 1000)
end

