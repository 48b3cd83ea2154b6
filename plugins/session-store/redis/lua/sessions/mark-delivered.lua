-- Marks a generation as delivered if it is still the newest; anything else is left as it is.
--
-- KEYS[1] the subject's sessions
-- ARGV[1] the sid without its tag, 18 bytes      ARGV[2] the generation seen in use
-- Returns nothing
-- Source: docs/architecture.md#delivery-proof (monotone; losing a mark is harmless; sent twice it changes nothing more)

local state = redis.call('HGET', KEYS[1], ARGV[1])
-- One that cannot be read is told of when it is asked for.
if not state or #state ~= state_bytes then return end
local session = unpack_state(state)
if session.generation ~= tonumber(ARGV[2]) or session.delivered == 1 then return end
session.delivered = 1
redis.call('HSET', KEYS[1], ARGV[1], pack_state(session))
