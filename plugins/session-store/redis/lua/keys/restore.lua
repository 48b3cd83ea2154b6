-- Writes again the sealed keys that a node knows, on a primary that may have lost one: those that it lacks. A tombstone is not
-- lacking: no removed key comes back.
--
-- KEYS[1] the keys
-- ARGV[1] the primaries this is meant for      ARGV[2..] ids and values in turn
-- Returns 'restored', or 'elsewhere': another primary answers, and nothing was done
-- Source: docs/architecture.md#the-life-of-a-failover; sent twice, and by several nodes, it changes nothing more

if not is_one_of(ARGV[1]) then return 'elsewhere' end
for i = 2, #ARGV, 2 do redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 'restored'
