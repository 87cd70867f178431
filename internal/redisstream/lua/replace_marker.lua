-- Replaces the marker if it is what the caller wrote: if the stage's keys were lost meanwhile, it is not.
--
-- KEYS: 1 generation
-- ARGV: 1 old, 2 new
-- Returns 1, or 0 when it was another or none
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
