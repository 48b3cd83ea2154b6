-- Starts a session, unless the user changed since the password was checked; ends the subject's oldest beyond the limit.
--
-- KEYS[1] the subject's sessions
-- KEYS[2] the user's record
-- KEYS[3] where this session's tombstone would be
-- KEYS[4] the revocation log; absent in a Cluster
-- KEYS[5] the global not-before; absent in a Cluster
-- ARGV[1] now, ms; '' for the store's clock      ARGV[2] how long the log is kept, ms
-- ARGV[3] revision of the user's record that the password was checked against
-- ARGV[4] the sid without its tag, 18 bytes      ARGV[5] idle time-to-live, s      ARGV[6] absolute time-to-live, s
-- ARGV[7] live sessions a subject may have, this one included
-- ARGV[8] how the details of this subject's sessions begin
-- ARGV[9] the global not-before in a Cluster; '' otherwise
-- ARGV[10] the primaries this node has prepared
-- ARGV[11..14] the details, in one to four pieces
-- Returns {'user_changed'}, {'exists'} or {'new_primary'} (it may lack what a user was changed by lately), nothing written; or {'created', record, rest of sid, tombstone, ...}, a pair for
--         each session that ended
-- Source: design 2.1; the same call sent twice answers `created` again; a sid that has ended never lives again

local now = clock(ARGV[1])
if not is_one_of(ARGV[10]) then return { 'new_primary' } end
local user = redis.call('HMGET', KEYS[2], 'v', 'd', 'e')
if not is_granted_by(user, tonumber(ARGV[3])) then return { 'user_changed' } end
local details = table.concat(ARGV, '', 11)
local existing = find(KEYS[1], ARGV[4])
if existing and existing.details == details then return { 'created', record(existing) } end
if existing or redis.call('EXISTS', KEYS[3]) == 1 then return { 'exists' } end

local not_before = read_not_before(KEYS[5], ARGV[9])
local live, highest, taken = {}, -1, {}
for _, s in ipairs(find_all(KEYS[1])) do
  if now >= kept_until(s) then
    remove(KEYS[1], s)
  else
    highest = math.max(highest, s.number)
    taken[s.number] = true
    if is_of(s, ARGV[8]) and is_live(s, now, not_before) then live[#live + 1] = s end
  end
end
table.sort(live, is_older)

-- Numbers rise, so that of two logins in one millisecond the order is known; at their end a free one is taken.
local number = highest + 1
if number > highest_number then
  number = 0
  while taken[number] do number = number + 1 end
end
-- Whoever was ended with everyone a moment ago may sign in again at once: not_before is then the next full second. And whose
-- sessions were all ended may, though the clock was set back since.
local began = math.max(now, not_before, tonumber(user[3] or 0))
local created = {
  number = number, pieces = #ARGV - 10, delivered = 0, generation = 1, created = began,
  absolute_s = math.floor(began / 1000) + tonumber(ARGV[6]), idle_s = tonumber(ARGV[5]), newest = 0, second = 0, third = 0,
}
created.state = pack_state(created)
local fields = { ARGV[4], created.state }
for i, name in ipairs(piece_names(created)) do
  fields[#fields + 1] = name
  fields[#fields + 1] = ARGV[10 + i]
end
redis.call('HSET', KEYS[1], unpack(fields))
keep(KEYS[1], created, now)

local answer = { 'created', created.state .. details }
for i = 1, math.min(#live, #live + 1 - tonumber(ARGV[7])) do
  answer[#answer + 1], answer[#answer + 2] = end_session(KEYS[1], live[i], now, 'session_limit', KEYS[4], ARGV[2])
end
return answer
