-- Adds steps to timelines of sessions; a step like the last entry of its timeline is counted there. `addMark` of timeline.ts
-- where all nodes write.
--
-- KEYS the timelines, one a step, in order; of one subject where the server is a Cluster
-- ARGV[1] entries kept: beyond it the oldest leaves that is no sign-in at the beginning
-- then each step, with blanks between: when it happened, s | generation, 0 for none | how long the timeline is needed from now
-- on, ms, 0 to leave that as it is | reason, node, client and network with tabs between
-- Returns nothing
-- Source: design 8; sent twice, it counts a step twice

-- A timeline whose session is not known any more.
local default_ttl_ms = 86400000
local limit = tonumber(ARGV[1])

for i, key in ipairs(KEYS) do
  local at, generation, ttl_ms, signature = string.match(ARGV[i + 1], '^(%d+) (%d+) (%d+) (.*)$')
  local text = redis.call('GET', key) or ''
  local last_at = string.match(text, '.*\n()') or 1
  local head = string.sub(text, 1, math.max(0, last_at - 2))
  local numbers, rest = string.match(string.sub(text, last_at), '^(%d+\t%d+\t%d+\t%d+)\t(.*)$')
  local began, count = tonumber(at), 0
  if numbers and rest == signature then
    local _, old
    began, _, count, old = string.match(numbers, '^(%d+)\t(%d+)\t(%d+)\t(%d+)$')
    if generation == '0' then generation = old end
  else
    head = text
  end
  local duration = math.max(0, tonumber(at) - began)
  local line = string.format('%.0f\t%.0f\t%.0f\t%s\t', began, duration, count + 1, generation) .. signature
  text = head == '' and line or head .. '\n' .. line
  local _, newlines = string.gsub(text, '\n', '')
  if newlines >= limit then
    local first, second, others = string.match(text, '^([^\n]*)\n([^\n]*)(.*)$')
    local is_sign_in = string.find(first, '\tlogin_ok\t', 1, true)
    text = (is_sign_in and first or second) .. others
  end
  if tonumber(ttl_ms) > 0 then
    redis.call('SET', key, text, 'PX', ttl_ms)
  elseif redis.call('EXISTS', key) == 1 then
    redis.call('SET', key, text, 'KEEPTTL')
  else
    redis.call('SET', key, text, 'PX', default_ttl_ms)
  end
end
