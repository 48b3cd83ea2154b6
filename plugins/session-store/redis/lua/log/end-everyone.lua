-- Ends every session of everybody that exists now: by one time that every verb looks at, not one by one. It lies behind the latest
-- beginning, too: a session may be dated by a clock that was ahead then.
--
-- KEYS[1] the revocation log
-- KEYS[2] the global not-before, in the log's slot
-- ARGV[1] now, ms; '' for the store's clock      ARGV[2] how long the log is kept, ms
-- ARGV[3] the reason, a word of EndReason        ARGV[4] how long any session can live, ms
-- Returns the not-before, ms
-- Source: not-before.ts (why it is the next full second); sent twice, it ends those too that began in between

local now = clock(ARGV[1])
local latest = redis.call('ZRANGE', latest_of(KEYS[2]), 0, 0, 'WITHSCORES')[2]
local at = (math.floor(math.max(now, (read_not_before(KEYS[2])), tonumber(latest or 0)) / 1000) + 1) * 1000
local text = string.format('%.0f', at)
redis.call('SET', KEYS[2], text .. ' ' .. ARGV[3], 'PX', at - now + ARGV[4])
publish(KEYS[1], tonumber(ARGV[2]), now, 'everyone', '', '', ARGV[3], at)
return text
