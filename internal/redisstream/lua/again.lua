-- Settles an entry of the consumer and adds it again, at once or later.
--
-- KEYS: 1 stream, 2 low lane, 3 delayed, 4 open
-- ARGV: 1 group, 2 consumer, 3 "0" or "1" for the low lane, 4 id, 5 ms to wait, 0 for none, 6 user, 7... fields and values
-- Returns 1, or 0 when the entry is not the consumer's
local lane = ARGV[3] == '1' and KEYS[2] or KEYS[1]
local pending = redis.pcall('XPENDING', lane, ARGV[1], ARGV[4], ARGV[4], 1, ARGV[2])
if pending.err or #pending == 0 then
  return 0
end
redis.call('XACK', lane, ARGV[1], ARGV[4])
local wait = tonumber(ARGV[5])
if wait <= 0 then
  redis.call('XADD', lane, '*', unpack(ARGV, 7))
  return 1
end
local time = redis.call('TIME')
local due = time[1] * 1000 + math.floor(time[2] / 1000) + wait
local member = cjson.encode({ARGV[3], unpack(ARGV, 7)})
if redis.call('ZADD', KEYS[3], 'LT', due, member) == 0 and ARGV[6] ~= '' then -- the same was waiting already: one entry less
  if redis.call('HINCRBY', KEYS[4], ARGV[6], -1) <= 0 then
    redis.call('HDEL', KEYS[4], ARGV[6])
  end
end
return 1
