-- Adds uses to the count of the window that is open: `EmbeddedTries` where all nodes see it.
--
-- KEYS[1] the count of one key
-- ARGV[1] now, ms; '' for the store's clock
-- ARGV[2] length of a window, ms      ARGV[3] uses to add
-- Returns {uses in the window, these included; ms until the next window opens}
-- Sent twice, it counts twice, which errs on the safe side.

-- which window since 1970 | uses
local layout = '>I6I4'
local now = clock(ARGV[1])
local window_ms, uses = tonumber(ARGV[2]), tonumber(ARGV[3])

local window = math.floor(now / window_ms)
local known = redis.call('GET', KEYS[1])
if known then
  local known_window, known_uses = struct.unpack(layout, known)
  -- A later window than this one: the clock was set back, and nothing is forgiven for it.
  if known_window >= window then uses = uses + known_uses end
end
local opens_in = (window + 1) * window_ms - now
redis.call('SET', KEYS[1], struct.pack(layout, window, math.min(uses, 4294967295)), 'PX', opens_in)
return { uses, opens_in }
