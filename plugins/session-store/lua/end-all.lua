-- Ends all live sessions of a subject, but one if so asked.
--
-- KEYS[1] the subject's sessions
-- KEYS[2] the revocation log; absent in a Cluster
-- ARGV[1] now, ms; '' for the store's clock      ARGV[2] how long the log is kept, ms
-- ARGV[3] how the details of this subject's sessions begin
-- ARGV[4] the reason, a word of EndReason        ARGV[5] 18 bytes of the sid that stays; '' for none
-- Returns {rest of sid, tombstone, ...}, a pair for each session that ended, oldest login first
-- Source: design 2.3; sent twice the second finds nothing live

local now = clock(ARGV[1])
local live, answer = {}, {}
for _, s in ipairs(find_all(KEYS[1])) do
  if s.field ~= ARGV[5] and is_of(s, ARGV[3]) and not expiry(s, now) then live[#live + 1] = s end
end
table.sort(live, is_older)
for _, s in ipairs(live) do
  answer[#answer + 1], answer[#answer + 2] = end_session(KEYS[1], s, now, ARGV[4], KEYS[2], ARGV[2])
end
return answer
