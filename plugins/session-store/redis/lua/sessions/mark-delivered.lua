-- Notes that a generation has arrived, where that is news (rotation.ts: prove).
--
-- KEYS[1] the subject's sessions
-- ARGV[1] the sid without its tag, 18 bytes      ARGV[2] the generation seen in use
-- Returns 1 when a late retry has skipped that generation, else nothing
-- Source: docs/architecture.md#delivery-proof (monotone; losing a mark is harmless; sent twice it changes nothing more)

local state = redis.call('HGET', KEYS[1], ARGV[1])
-- One that cannot be read is told of when it is asked for.
if not state or #state ~= state_bytes then return end
local session = unpack_state(state)
session.field = ARGV[1]
local seen = tonumber(ARGV[2])
if prove(KEYS[1], session, seen) and seen < session.generation then return 1 end
