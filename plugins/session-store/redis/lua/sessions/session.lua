-- A session as every verb sees it, after clock.lua: this text stands in front of each of them when it is loaded. It knows how
-- a session lies in Redis, when it expires and how it is ended. It must never choose an outcome: the verbs do.
--
-- All live sessions of a subject are fields of ONE hash, the subject's key: it is their index too. So a subject's sole
-- session costs one key, and every verb has all it may need in one slot. For each session:
--   field <18 random bytes of the sid>   the state, 35 bytes, of the same size for ever (layout below)
--   fields 4n .. 4n+3 (n: its number)    the details, which never change, cut by the adapter into pieces of 63 bytes (the
--                                        fourth holds what remains): the compact encoding wants no value over 64 bytes
-- A session that ended leaves the hash and becomes a key of its own, its tombstone: the subject's key followed by the rest
-- of the sid. That name is made here out of KEYS[1], so it has the same hash tag and lies in the same slot.

-- number * 4 + pieces - 1 | generation | created, ms | absolute expiry, s | idle time-to-live, s | when the newest generation
-- was made, ms since created | how long before that the two before it were made, ms, at most 49 days | how many generations the
-- newest is ahead of the proven one
local layout = '>I2I4I6I4I4I5I4I4I2'
local state_bytes = 35
local highest_number = 8191
-- rotation.ts: mostUnproven
local most_unproven = 65535

local function unpack_state(state)
  local s = { state = state }
  local head
  local second, third, unproven
  head, s.generation, s.created, s.absolute_s, s.idle_s, s.newest, second, third, unproven = struct.unpack(layout, state)
  s.second, s.third = s.newest - second, s.newest - third
  s.proven = s.generation - unproven
  s.pieces = head % 4 + 1
  s.number = math.floor(head / 4)
  return s
end

-- A clock that was set back makes an older generation the later one.
local function before_newest(s, time)
  return math.max(0, math.min(4294967295, s.newest - time))
end

local function pack_state(s)
  return struct.pack(layout, s.number * 4 + s.pieces - 1, s.generation, s.created, s.absolute_s, s.idle_s, s.newest,
    before_newest(s, s.second), before_newest(s, s.third), s.generation - s.proven)
end

-- Keeps what changed of the state.
local function write_state(subject, s)
  s.state = pack_state(s)
  redis.call('HSET', subject, s.field, s.state)
end

-- Notes that a generation has arrived (rotation.ts: prove). Returns whether that was news.
local function prove(subject, s, generation)
  local proven = math.min(generation, s.generation)
  if proven <= s.proven then return false end
  s.proven = proven
  write_state(subject, s)
  return true
end

-- The record after a rotation (rotation.ts: succeed). `presented` is proven by having come.
local function succeed(subject, s, presented, now)
  local made = math.max(0, now - s.created)
  local second = s.generation > presented and made or s.newest
  local third = s.generation - 1 > presented and made or s.second
  s.generation = s.generation + 1
  s.proven = presented
  s.newest, s.second, s.third = made, second, third
  write_state(subject, s)
end

local function piece_names(s)
  local names = {}
  for i = 0, s.pieces - 1 do names[i + 1] = s.number * 4 + i end
  return names
end

local unreadable = 'this session is in a layout that this version of Cardea does not know, or a part of it is gone (docs/redis.md)'

-- The session of a field, or nil. One that cannot be read is refused before anything is written.
local function find(subject, field)
  local state = redis.call('HGET', subject, field)
  if not state then return nil end
  if #state ~= state_bytes then error(unreadable, 0) end
  local s = unpack_state(state)
  s.field = field
  local pieces = redis.call('HMGET', subject, unpack(piece_names(s)))
  for i = 1, #pieces do if not pieces[i] then error(unreadable, 0) end end
  s.details = table.concat(pieces)
  return s
end

-- All sessions of the subject's key that can be read, in no order; their details are put together when they are asked for.
local function find_all(subject)
  local flat, values, found = redis.call('HGETALL', subject), {}, {}
  for i = 1, #flat, 2 do values[flat[i]] = flat[i + 1] end
  for name, value in pairs(values) do
    if #name == 18 and #value == state_bytes then
      local s = unpack_state(value)
      s.field, s.values = name, values
      found[#found + 1] = s
    end
  end
  return found
end

local function details_of(s)
  if not s.details then
    local pieces = {}
    for i, name in ipairs(piece_names(s)) do pieces[i] = s.values[tostring(name)] or '' end
    s.details = table.concat(pieces)
  end
  return s.details
end

local function record(s)
  return s.state .. details_of(s)
end

-- 'absolute', 'idle', or nil while the session lives (rotation.ts: expiryOf).
local function expiry(s, now)
  if now >= s.absolute_s * 1000 then return 'absolute' end
  if now >= s.created + s.newest + s.idle_s * 1000 then return 'idle' end
  return nil
end

-- Two subjects may share a tag, though hardly ever: the details begin with whose session it is.
local function is_of(s, subject_prefix)
  return string.sub(details_of(s), 1, #subject_prefix) == subject_prefix
end

-- Whose session it is, and the revision of the user's record that it was granted by: one byte, or 255 and four.
local function granted_by(s)
  local details = details_of(s)
  local length = string.byte(details, 1)
  local revision = string.byte(details, 2 + length)
  if revision == 255 then revision = struct.unpack('>I4', string.sub(details, 3 + length, 6 + length)) end
  return string.sub(details, 2, 1 + length), revision
end

-- The name of a user's record, in the slot of the subject's sessions (redis/key-names.ts: user).
local function user_key(subject, sub)
  return subject .. ':' .. sub
end

-- Whether what a session was granted by still holds (rotation.ts: isGrantedBy).
-- user: fields v and d of the user's record; both false where there is none
local function is_granted_by(user, revision)
  if not user[1] then return revision == 0 end
  return tonumber(user[1]) == revision and user[2] == '0'
end

local function is_older(a, b)
  if a.created ~= b.created then return a.created < b.created end
  return a.number < b.number
end

local alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

-- 18 bytes as 24 characters (RFC 4648 section 5).
local function base64url(bytes)
  local text = {}
  for i = 1, #bytes, 3 do
    local a, b, c = string.byte(bytes, i, i + 2)
    local group = a * 65536 + b * 256 + c
    for shift = 18, 0, -6 do
      local index = math.floor(group / 2 ^ shift) % 64 + 1
      text[#text + 1] = string.sub(alphabet, index, index)
    end
  end
  return table.concat(text)
end

-- An expired session stays this much longer, so that its client is told `expired` and not `unknown`, and so that a clock
-- set back a little does not find its tombstone gone.
local margin_ms = 3600000

local function kept_until(s)
  return math.min(s.absolute_s * 1000, s.created + s.newest + s.idle_s * 1000) + margin_ms
end

-- Lets the subject's key live as long as this session; a longer life is left to the session that needs it.
local function keep(subject, s, now)
  local ttl = kept_until(s) - now
  if redis.call('PTTL', subject) < ttl then redis.call('PEXPIRE', subject, ttl) end
end

-- Beside a hash of many sessions lies its index (create.lua makes it): a sorted set of the live ones by when they began. Its first
-- member is how the details of the subject's sessions begin, with the time until which none expires, negative. A hash that two
-- subjects share has none.
local function index_of(subject)
  return subject .. '#'
end

local function index_member(s)
  return struct.pack('>I2', s.number) .. s.field
end

-- What it knew is looked up again at the next sign-in.
local function drop_index(subject)
  redis.call('PEXPIRE', index_of(subject), 0)
end

local function remove(subject, s)
  redis.call('HDEL', subject, s.field, unpack(piece_names(s)))
  redis.call('ZREM', index_of(subject), index_member(s))
end

-- Ends one that cannot be read: nobody can go on with it, and there is nothing to keep of it. Its number may be unknown, so the
-- index goes whole.
local function remove_unreadable(subject, field)
  redis.call('HDEL', subject, field)
  drop_index(subject)
end

-- Everyone's sessions that began before this time have ended: 'ms reason', as end-everyone.lua keeps it. `given` is what the
-- adapter has read in a Cluster, where the key lies in another slot.
-- Returns the time, 0 for never, and the reason.
local function read_not_before(key, given)
  local at, reason = string.match(key and redis.call('GET', key) or given or '', '^(%d+) (.+)$')
  return tonumber(at) or 0, reason
end

-- When the latest of all sessions began, a sorted set of one: the clock may have been ahead then. It goes with that session.
local function latest_of(not_before)
  return not_before .. '#'
end

local function note_beginning(not_before, s, now)
  local latest, ttl = latest_of(not_before), s.absolute_s * 1000 + margin_ms - now
  redis.call('ZADD', latest, 'GT', string.format('%.0f', s.created), 'session')
  if redis.call('PTTL', latest) < ttl then redis.call('PEXPIRE', latest, ttl) end
end

local function is_live(s, now, not_before)
  return s.created >= not_before and not expiry(s, now)
end

-- Appends to the revocation log and trims it by age, exactly. The position is the store's time, never below the last one.
-- `at` is the time the entry names, when that is another.
local function publish(log, retention_ms, now, kind, name, sub, reason, at)
  local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  local last_ms, last_seq = string.match(last and last[1] or '0-0', '(%d+)-(%d+)')
  local position = string.format('%.0f-0', now)
  if tonumber(last_ms) >= now then position = last_ms .. '-' .. string.format('%.0f', last_seq + 1) end
  local oldest = string.format('%.0f', math.max(0, now - retention_ms))
  redis.call('XADD', log, 'MINID', '=', oldest, position, 'kind', kind, 'name', name, 'sub', sub, 'reason', reason,
    'at', string.format('%.0f', at or now))
  redis.call('PEXPIRE', log, retention_ms)
end

local function tombstone_of(s, ended_at, reason)
  return struct.pack('>I6B', ended_at, #reason) .. reason .. record(s)
end

-- Ends a session in this step: tombstone until its absolute expiry, out of the hash, into the log. The tombstone comes
-- first: when memory is out, the first write is the one that is refused, and nothing has happened.
-- `log` is nil in a Cluster, where the log lies in another slot: there the adapter publishes before the verb answers.
-- Returns the rest of the sid and the tombstone, for the response.
local function end_session(subject, s, now, reason, log, retention_ms)
  local rest = base64url(s.field)
  local tombstone = tombstone_of(s, now, reason)
  redis.call('SET', subject .. rest, tombstone, 'PX', s.absolute_s * 1000 + margin_ms - now)
  remove(subject, s)
  if log then
    publish(log, retention_ms, now, 'session', string.match(subject, '{(.-)}') .. rest, (granted_by(s)), reason)
  end
  return rest, tombstone
end
