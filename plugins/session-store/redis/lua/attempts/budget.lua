-- The budget of attempts, for both verbs on it. port/attempt-budget.ts is the same in TypeScript, with the reasons.

-- when the budget is full again, ms, with a fraction | failures in a row
local layout = '>dI4'
local remembered_refills, longest_memory_ms = 8, 30 * 24 * 60 * 60 * 1000

-- How long failures in a row are remembered once the budget is full again, ms.
local function memory_ms(in_a_row, max, window_ms)
  return math.min(in_a_row * (window_ms / max) * remembered_refills, longest_memory_ms)
end

local function keep(key, full_at, in_a_row, max, window_ms, now)
  local ttl = math.ceil(full_at - now + memory_ms(in_a_row, max, window_ms))
  redis.call('SET', key, struct.pack(layout, full_at, in_a_row), 'PX', math.max(1, ttl))
end

