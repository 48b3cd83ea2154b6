-- Takes an administrator out of the list, unless nobody else is on it. One who leaves stays marked until the record is changed, so
-- that two who would leave at once cannot both count on the other.
--
-- KEYS[1] the list: a hash of subjects, '1' for one who is an administrator, '0' for one who leaves
-- ARGV[1] the subject
-- Returns 1 when left, 0 when nobody else is on the list: nothing is changed then
-- Source: docs/architecture.md#why

local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if all[i] ~= ARGV[1] and all[i + 1] == '1' then
    redis.call('HSET', KEYS[1], ARGV[1], '0')
    return 1
  end
end
return 0
