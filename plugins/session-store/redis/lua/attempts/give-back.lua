-- Gives attempts back that were taken and are no failures: `EmbeddedTries` where all nodes see it.
--
-- KEYS[n]  a budget; all in one slot
-- ARGV[1]  now, ms; '' for the store's clock
-- ARGV[2]  'right': the password was, so failures in a row begin anew; 'unchecked': nobody looked at it
-- ARGV[3n], ARGV[3n+1], ARGV[3n+2]  of budget n: attempts when it is full; the time in which an empty one fills, ms; what the attempt
--          had cost, ms
-- Returns nothing. Sent twice, it gives two attempts back; the link sends a script again only where the first was not run.

local now = clock(ARGV[1])

for n, key in ipairs(KEYS) do
  local known = redis.call('GET', key)
  if known then
    local full_at, in_a_row = struct.unpack(layout, known)
    in_a_row = ARGV[2] == 'right' and 0 or math.max(0, in_a_row - 1)
    keep(key, full_at - tonumber(ARGV[3 * n + 2]), in_a_row, tonumber(ARGV[3 * n]), tonumber(ARGV[3 * n + 1]), now)
  end
end
