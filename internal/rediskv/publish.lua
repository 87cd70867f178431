-- Stores a snapshot and publishes it, if its version is above the stored one.
--
-- KEYS[1]  the snapshot, a hash
-- ARGV[1]  version
-- ARGV[2]  time to live in milliseconds
-- ARGV[3]  channel
-- ARGV[4]  message to publish
-- ARGV[5…] fields and values of the hash; they replace all that is there
--
-- Returns 1 if stored and published, 0 if the stored version is not below this one.
--
-- pcall: a key that is not a hash is not ours any more and is replaced.
local stored = redis.pcall('HGET', KEYS[1], 'version')
if type(stored) == 'string' and tonumber(stored) and tonumber(stored) >= tonumber(ARGV[1]) then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 5))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
