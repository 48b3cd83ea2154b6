-- Takes one attempt from each of some budgets, or from none: `EmbeddedTries` where all nodes see it.
--
-- KEYS[n]  a budget; all in one slot
-- ARGV[1]  now, ms; '' for the store's clock
-- ARGV[3n-1], ARGV[3n], ARGV[3n+1]  of budget n: attempts when it is full; the time in which an empty one fills, ms; failures in a
--          row after which an attempt costs twice as much, 0 for never
-- Returns {1, cost of each budget's try in ms as text and its failures in a row, in turn}, or
--         {0, which budget refuses, ms until it will not}
-- Source: docs/threat-model.md#the-login-limit; sent twice, it takes two attempts, which errs on the safe side

local now = clock(ARGV[1])
local found = {}
local refused_by, longest_wait = 0, 0

for n, key in ipairs(KEYS) do
  local max, window_ms, slows_after = tonumber(ARGV[3 * n - 1]), tonumber(ARGV[3 * n]), tonumber(ARGV[3 * n + 1])
  local full_at, in_a_row = now, 0
  local known = redis.call('GET', key)
  if known then
    full_at, in_a_row = struct.unpack(layout, known)
    if now - full_at >= memory_ms(in_a_row, max, window_ms) then in_a_row = 0 end
  end
  local ahead_ms = full_at - now
  local used_ms = math.min(math.max(0, ahead_ms), window_ms)
  local doublings = slows_after > 0 and math.min(math.floor(in_a_row / slows_after), 20) or 0
  local cost_ms = math.min(window_ms / max * 2 ^ doublings, window_ms)
  local wait_ms = used_ms + cost_ms - window_ms
  if wait_ms > 0.001 then
    -- The clock was set back: without this the wait would begin anew each time.
    if ahead_ms > window_ms then keep(key, now + window_ms, in_a_row, max, window_ms, now) end
    if wait_ms > longest_wait then refused_by, longest_wait = n, wait_ms end
  end
  if slows_after > 0 then in_a_row = in_a_row + 1 end
  found[n] = { now + used_ms + cost_ms, in_a_row, max, window_ms, cost_ms }
end

if refused_by > 0 then return { 0, refused_by, math.ceil(longest_wait) } end
local taken = { 1 }
for n, key in ipairs(KEYS) do
  local full_at, in_a_row, max, window_ms, cost_ms = unpack(found[n])
  keep(key, full_at, in_a_row, max, window_ms, now)
  taken[2 * n] = string.format('%.17g', cost_ms)
  taken[2 * n + 1] = in_a_row
end
return taken
