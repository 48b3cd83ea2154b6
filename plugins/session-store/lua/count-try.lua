
-- Counts one try in a window that doubles while it is exhausted again and again: `EmbeddedTries` where all nodes see it.
--
-- KEYS[1] the count of one key
-- ARGV[1] now, ms; '' for the store's clock
-- ARGV[2] length of a window, ms      ARGV[3] tries a window      ARGV[4] how often in a row a window is doubled at most
-- Returns {tries in the window, this one included; ms until the next window opens}
-- Source: requirement L-04; sent twice, it counts twice, which errs on the safe side

-- tries | when the next window opens, ms | windows exhausted in a row
local layout = '>I4I6I1'
local now = clock(ARGV[1])
local window_ms, max, doubling_limit = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local tries, opens_at, exhausted = 0, 0, 0
local known = redis.call('GET', KEYS[1])
if known then tries, opens_at, exhausted = struct.unpack(layout, known) end
if now >= opens_at then
  -- Quiet for a whole window after the last one: all is forgiven.
  local goes_on = tries > max and now < opens_at + window_ms
  exhausted = goes_on and math.min(exhausted + 1, doubling_limit) or 0
  tries, opens_at = 0, now + window_ms * 2 ^ exhausted
end
tries = tries + 1
redis.call('SET', KEYS[1], struct.pack(layout, tries, opens_at, exhausted), 'PX', opens_at - now + window_ms)
return { tries, opens_at - now }
