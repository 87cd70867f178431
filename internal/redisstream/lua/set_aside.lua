-- Settles an entry of the consumer and keeps it, whole, in the dead stream.
--
-- KEYS: 1 stream, 2 low lane, 3 dead, 4 open
-- ARGV: 1 group, 2 consumer, 3 "0" or "1" for the low lane, 4 id, 5 user, 6 reason, 7 attempts
-- Returns 1, or 0 when the entry is not the consumer's
local lane = ARGV[3] == '1' and KEYS[2] or KEYS[1]
local pending = redis.pcall('XPENDING', lane, ARGV[1], ARGV[4], ARGV[4], 1, ARGV[2])
if pending.err or #pending == 0 then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local record = redis.call('XRANGE', lane, ARGV[4], ARGV[4])[1]
local fields = record and record[2] or {}
local about = {'dead_entry', ARGV[4], 'dead_lane', ARGV[3], 'dead_reason', ARGV[6], 'dead_attempts', ARGV[7],
  'dead_deliveries', pending[1][4], 'dead_at', now}
if #fields > 2000 then -- more than a call can carry
  table.insert(about, 'dead_fields')
  table.insert(about, cjson.encode(fields))
else
  for _, f in ipairs(fields) do
    table.insert(about, f)
  end
end
redis.call('XADD', KEYS[3], '*', unpack(about))
redis.call('XACK', lane, ARGV[1], ARGV[4])
if ARGV[5] ~= '' and redis.call('HINCRBY', KEYS[4], ARGV[5], -1) <= 0 then
  redis.call('HDEL', KEYS[4], ARGV[5])
end
return 1
