-- Tells whether a consumer holds its lease. While the table of leases is younger than a lease, as after a loss of Redis, a
-- consumer that is missing may not have registered again yet, and counts as alive.
--
-- KEYS: 1 leases
-- ARGV: 1 consumer, 2 lease in ms
-- Returns 1 or 0
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expiry = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '')
if expiry then
  if expiry > now then
    return 1
  end
  if expiry == 0 then -- it left
    return 0
  end
end
local since = tonumber(redis.call('ZSCORE', KEYS[1], '#since') or '')
if not since or now - since < tonumber(ARGV[2]) then
  return 1
end
return 0
