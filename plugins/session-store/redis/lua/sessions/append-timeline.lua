-- Adds steps to timelines of sessions; a step like the newest entry of its timeline is counted there. `addMark` of timeline.ts
-- where all nodes write.
--
-- KEYS the timelines, one a step, in order; of one subject where the server is a Cluster
-- ARGV[1] entries kept: beyond it the oldest leaves that is no sign-in at the beginning
-- then each step, with blanks between: when it happened, s | generation, 0 for none | how long the timeline is needed from now
-- on, ms, 0 to leave that as it is | reason, node, client and network with tabs between
-- Returns nothing
-- Source: docs/architecture.md#event; sent twice, it counts a step twice

-- A timeline whose session is not known any more.
local default_ttl_ms = 86400000
local limit = tonumber(ARGV[1])

-- All but the oldest entry that is no sign-in at the beginning. The text has two lines or more.
local function without_oldest(text)
  local newer, oldest = string.match(text, '^(.*)\n([^\n]*)$')
  if not string.find(oldest, '\tlogin_ok\t', 1, true) then return newer end
  local newest = string.match(newer, '^(.*)\n[^\n]*$')
  return newest and newest .. '\n' .. oldest or oldest
end

-- In front, where the newest entry is: nothing else of a timeline is read for a step that is like it.
local function add(text, at, generation, signature)
  local began, _, count, known, last, others = string.match(text, '^(%d+)\t(%d+)\t(%d+)\t(%d+)\t([^\n]*)(.*)$')
  if last == signature then
    if generation == '0' then generation = known end
    local duration = math.max(0, at - began)
    return began .. '\t' .. duration .. '\t' .. (count + 1) .. '\t' .. generation .. '\t' .. signature .. others
  end
  local line = at .. '\t0\t1\t' .. generation .. '\t' .. signature
  if text == '' then return line end
  text = line .. '\n' .. text
  local _, newlines = string.gsub(text, '\n', '')
  return newlines >= limit and without_oldest(text) or text
end

for i, key in ipairs(KEYS) do
  local at, generation, ttl_ms, signature = string.match(ARGV[i + 1], '^(%d+) (%d+) (%d+) (.*)$')
  local text = add(redis.call('GET', key) or '', at, generation, signature)
  if ttl_ms ~= '0' then
    redis.call('SET', key, text, 'PX', ttl_ms)
  elseif redis.call('EXISTS', key) == 1 then
    redis.call('SET', key, text, 'KEEPTTL')
  else
    redis.call('SET', key, text, 'PX', default_ttl_ms)
  end
end
