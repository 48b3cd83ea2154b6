-- Ends all live sessions of a subject, but one if so asked.
--
-- KEYS[1] the subject's sessions
-- KEYS[2] the revocation log; absent in a Cluster
-- KEYS[3] the global not-before; absent in a Cluster
-- ARGV[1] now, ms; '' for the store's clock      ARGV[2] how long the log is kept, ms
-- ARGV[3] how the details of this subject's sessions begin
-- ARGV[4] the reason, a word of EndReason        ARGV[5] 18 bytes of the sid that stays; '' for none
-- ARGV[6] the global not-before in a Cluster; '' otherwise
-- Returns {now, rest of sid, tombstone, ...}, a pair for each session that ended, oldest login first
-- Source: docs/architecture.md#the-life-of-a-failover; sent twice the second finds nothing live

local now = clock(ARGV[1])
local not_before = read_not_before(KEYS[3], ARGV[6])
local live, answer = {}, { string.format('%.0f', now) }
for _, s in ipairs(find_all(KEYS[1])) do
  if s.field ~= ARGV[5] and is_of(s, ARGV[3]) and is_live(s, now, not_before) then live[#live + 1] = s end
end
table.sort(live, is_older)
for _, s in ipairs(live) do
  answer[#answer + 1], answer[#answer + 2] = end_session(KEYS[1], s, now, ARGV[4], KEYS[2], ARGV[2])
end
-- The subject itself, unless one session stays: tokens of sessions that the store does not know (any more) end too. No later
-- sign-in may be dated before.
if ARGV[5] == '' then
  local sub = string.sub(ARGV[3], 2)
  if KEYS[2] then publish(KEYS[2], ARGV[2], now, 'subject', sub, '', ARGV[4]) end
  local ended, disabled = unpack(redis.call('HMGET', user_key(KEYS[1], sub), 'e', 'd'))
  if disabled and now > tonumber(ended or 0) then redis.call('HSET', user_key(KEYS[1], sub), 'e', string.format('%.0f', now)) end
end
return answer
