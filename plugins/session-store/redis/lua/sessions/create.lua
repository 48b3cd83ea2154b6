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
-- Source: docs/architecture.md#the-rotation-decision; the same call sent twice returns `created` again; a sid
-- that has ended never lives again

local now = clock(ARGV[1])
if not is_one_of(ARGV[10]) then return { 'new_primary' } end
local user = redis.call('HMGET', KEYS[2], 'v', 'd', 'e')
if not is_granted_by(user, tonumber(ARGV[3])) then return { 'user_changed' } end
local details = table.concat(ARGV, '', 11)
local existing = find(KEYS[1], ARGV[4])
if existing and existing.details == details then return { 'created', record(existing) } end
if existing or redis.call('EXISTS', KEYS[3]) == 1 then return { 'exists' } end

local not_before = read_not_before(KEYS[5], ARGV[9])
local limit = tonumber(ARGV[7])

-- A hash of more fields than this gets an index, so that a sign-in need not read them all.
local fields_without_index = 512
-- Beyond so many sessions none is kept that has expired. With the most that may live (src/config/settings/index.ts) there are fewer than
-- there are numbers.
local most_kept = 4096
local index = index_of(KEYS[1])

-- Reads all sessions. Returns the live ones, oldest first; the number before the next; when the first of them expires; and
-- whether one is another subject's.
local function look_at_all()
  local all, live, highest, first_expiry, is_shared = find_all(KEYS[1]), {}, -1, math.huge, false
  for _, s in ipairs(all) do
    local lives = is_live(s, now, not_before)
    if now >= kept_until(s) or not lives and #all > most_kept then
      remove(KEYS[1], s)
    else
      highest = math.max(highest, s.number)
      if not is_of(s, ARGV[8]) then
        is_shared = true
      elseif lives then
        live[#live + 1] = s
        first_expiry = math.min(first_expiry, kept_until(s) - margin_ms)
      end
    end
  end
  table.sort(live, is_older)
  return live, highest, first_expiry, is_shared
end

-- What the index knows. Returns the sessions that must end, the number before the next, and until when none expires; nothing
-- when there is no index of this subject, or it may be wrong: then all are looked at.
local function look_at_index()
  local first, stored = unpack(redis.call('ZRANGE', index, 0, 0, 'WITHSCORES'))
  if first ~= ARGV[8] then return nil end
  local excess = redis.call('ZCARD', index) - limit
  local first_expiry = -tonumber(stored)
  local newest = redis.call('ZRANGE', index, -1, -1)[1]
  local number = newest ~= first and struct.unpack('>I2', newest) or -1
  if excess <= 0 then return {}, number, first_expiry end
  if now >= first_expiry then return nil end
  local oldest = {}
  for i, member in ipairs(redis.call('ZRANGE', index, 1, excess)) do
    local is_readable, s = pcall(find, KEYS[1], string.sub(member, 3))
    if not is_readable or not s or s.created < not_before then return nil end
    oldest[i] = s
  end
  return oldest, number, first_expiry
end

local ending, number, first_expiry = look_at_index()
local live, is_shared
if not ending then
  live, number, first_expiry, is_shared = look_at_all()
  ending = {}
  for i = 1, math.min(#live, #live + 1 - limit) do ending[i] = live[i] end
end

-- Numbers rise, so that of two logins in one millisecond the order is known; at their end, or when the clock was set back, a
-- free one is taken.
local numbers = highest_number + 1
number = (number + 1) % numbers
if redis.call('HGET', KEYS[1], number * 4) then
  local tried = 0
  number = struct.unpack('>I2', ARGV[4]) % numbers
  while redis.call('HGET', KEYS[1], number * 4) do
    tried = tried + 1
    if tried == numbers then error('this subject has more sessions than can be told apart', 0) end
    number = (number + 1) % numbers
  end
end
-- Whoever was ended with everyone a moment ago may sign in again at once: not_before is then the next full second. And whose
-- sessions were all ended may, though the clock was set back since.
local began = math.max(now, not_before, tonumber(user[3] or 0))
local created = {
  number = number, pieces = #ARGV - 10, proven = 0, generation = 1, created = began,
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
if KEYS[5] then note_beginning(KEYS[5], created, now) end

if not live or redis.call('HLEN', KEYS[1]) > fields_without_index and not is_shared then
  local members = {
    string.format('%.0f', -math.min(first_expiry, kept_until(created) - margin_ms)), ARGV[8],
    string.format('%.0f', began), index_member({ number = number, field = ARGV[4] }),
  }
  if live then drop_index(KEYS[1]) end
  for _, s in ipairs(live or {}) do
    members[#members + 1] = string.format('%.0f', s.created)
    members[#members + 1] = index_member(s)
    if #members >= 1000 then
      redis.call('ZADD', index, unpack(members))
      members = {}
    end
  end
  if #members > 0 then redis.call('ZADD', index, unpack(members)) end
  redis.call('PEXPIRE', index, redis.call('PTTL', KEYS[1]))
else
  drop_index(KEYS[1])
end

local answer = { 'created', created.state .. details }
for _, s in ipairs(ending) do
  answer[#answer + 1], answer[#answer + 2] = end_session(KEYS[1], s, now, 'session_limit', KEYS[4], ARGV[2])
end
return answer
