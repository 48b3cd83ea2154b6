-- Adds what a node gathered since its last batch: events, counts, sessions seen alive, signals.
--
-- KEYS[1] the stream of events          KEYS[2] the last batch of this run
-- KEYS[3] counts by minute, of this hour        KEYS[4] counts by ten minutes, of this day
-- KEYS[5] sessions alive in these ten minutes   KEYS[6] sessions alive in this hour
-- KEYS[7] the stream of signals         KEYS[8] the stream of events that last
-- KEYS[9..] one a signal: who found it first
-- ARGV[1] run and id of the batch   ARGV[2] events kept, about, in each stream   ARGV[3] signals kept   ARGV[4] a signal is new again after, ms
-- ARGV[5] the events: JSON, one a line, `!` in front of those that last
-- ARGV[6..8] how many counts (each minute's field, ten minutes' field, number), sids and signals (each JSON) follow, in this order
-- Returns the numbers, from 1, of the signals that are new; of a batch that was sent twice, the same again
-- Source: docs/architecture.md#event; sent twice it changes nothing more

local hour_ms, day_ms = 3600000, 86400000
local counts, sids, signals = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local at = 8

local function keep(key, ttl_ms)
  redis.call('PEXPIRE', key, ttl_ms)
end

local is_known = redis.call('GET', KEYS[2]) == ARGV[1]
if not is_known then
  for event in string.gmatch(ARGV[5], '[^\n]+') do
    local lasts = string.sub(event, 1, 1) == '!'
    if lasts then event = string.sub(event, 2) end
    local place = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'event', event)
    if lasts then
      -- At the same place. A first stream that had left and began anew with a clock that is behind cannot stop what happens now.
      redis.pcall('XADD', KEYS[8], 'MAXLEN', '~', ARGV[2], place, 'event', event)
      keep(KEYS[8], 90 * day_ms)
    end
  end
  if ARGV[5] ~= '' then keep(KEYS[1], 8 * day_ms) end
  for i = at + 1, at + 3 * counts, 3 do
    redis.call('HINCRBY', KEYS[3], ARGV[i], ARGV[i + 2])
    redis.call('HINCRBY', KEYS[4], ARGV[i + 1], ARGV[i + 2])
  end
  if counts > 0 then
    keep(KEYS[3], 3 * hour_ms)
    keep(KEYS[4], 3 * day_ms)
  end
end
at = at + 3 * counts

if not is_known and sids > 0 then
  local alive = { unpack(ARGV, at + 1, at + sids) }
  redis.call('PFADD', KEYS[5], unpack(alive))
  redis.call('PFADD', KEYS[6], unpack(alive))
  keep(KEYS[5], 2 * hour_ms)
  keep(KEYS[6], 27 * hour_ms)
end
at = at + sids

local new = {}
for i = 1, signals do
  local key = KEYS[8 + i]
  if redis.call('SET', key, ARGV[1], 'NX', 'PX', ARGV[4]) then
    redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[3], '*', 'signal', ARGV[at + i])
    keep(KEYS[7], 30 * day_ms)
    new[#new + 1] = i
  elseif redis.call('GET', key) == ARGV[1] then
    new[#new + 1] = i
  end
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', hour_ms)
return new
