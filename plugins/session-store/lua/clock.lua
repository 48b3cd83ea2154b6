-- What every verb that needs the time begins with. The store's clock decides, never a node's (design 2.1); only tests pass
-- a time in. Milliseconds since 1970, whole.

local function clock(given)
  local time = redis.call('TIME')
  return tonumber(given) or time[1] * 1000 + math.floor(time[2] / 1000)
end

