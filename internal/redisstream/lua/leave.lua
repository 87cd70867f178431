-- Gives up the consumer's lease. A consumer that holds nothing is removed; otherwise its entries are for others at once.
--
-- KEYS: 1 leases, 2 stream, 3 low lane
-- ARGV: 1 group, 2 consumer
-- Returns how many entries it still holds (100 a lane at most)
local n = 0
for i = 2, 3 do
  local pending = redis.pcall('XPENDING', KEYS[i], ARGV[1], '-', '+', 100, ARGV[2])
  if not pending.err then
    n = n + #pending
  end
end
if n > 0 then
  redis.call('ZADD', KEYS[1], 0, ARGV[2])
  return n
end
for i = 2, 3 do
  redis.pcall('XGROUP', 'DELCONSUMER', KEYS[i], ARGV[1], ARGV[2])
end
redis.call('ZREM', KEYS[1], ARGV[2])
return 0
