-- Reads the live sessions of a subject, newest login first.
--
-- KEYS[1] the subject's sessions
-- KEYS[2] the global not-before; absent in a Cluster
-- ARGV[1] now, ms; '' for the store's clock
-- ARGV[2] how the details of this subject's sessions begin
-- ARGV[3] the global not-before in a Cluster; '' otherwise
-- Returns {18 bytes of the sid, record, ...}, a pair for each session
-- Source: docs/architecture.md#the-store

local now = clock(ARGV[1])
local not_before = read_not_before(KEYS[2], ARGV[3])
local live, answer = {}, {}
for _, s in ipairs(find_all(KEYS[1])) do
  if is_of(s, ARGV[2]) and is_live(s, now, not_before) then live[#live + 1] = s end
end
table.sort(live, function(a, b) return is_older(b, a) end)
for _, s in ipairs(live) do
  answer[#answer + 1] = s.field
  answer[#answer + 1] = record(s)
end
return answer
