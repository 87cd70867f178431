-- Takes over entries of consumers whose lease has run out. Entries of living consumers are never touched, however long
-- they have been pending. A consumer without a valid lease of its own takes nothing.
--
-- KEYS: 1 leases, 2 stream, 3 low lane
-- ARGV: 1 group, 2 consumer, 3 most entries, 4 most of them from the low lane, 5 lease in ms
-- Returns {entries of the stream, entries of the low lane}, each entry {id, {field, value, ...}}
local leases, lanes = KEYS[1], {KEYS[2], KEYS[3]}
local group, me = ARGV[1], ARGV[2]
local room = {tonumber(ARGV[3]), tonumber(ARGV[4])}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local taken = {{}, {}}

local mine = tonumber(redis.call('ZSCORE', leases, me) or '')
local since = tonumber(redis.call('ZSCORE', leases, '#since') or '')
if not mine or mine <= now or not since or now - since < tonumber(ARGV[5]) then -- see beat.lua
  return taken
end

local function take(i, consumer)
  local lane = lanes[i]
  local most = i == 1 and room[1] or math.min(room[1], room[2])
  if most <= 0 then
    return
  end
  local ids = {}
  for _, p in ipairs(redis.call('XPENDING', lane, group, '-', '+', most, consumer)) do
    ids[#ids + 1] = p[1]
  end
  if #ids == 0 then
    return
  end
  local found = {}
  for _, entry in ipairs(redis.call('XCLAIM', lane, group, me, 0, unpack(ids))) do
    if entry and entry[2] then
      found[entry[1]] = true
      table.insert(taken[i], entry)
      room[1] = room[1] - 1
      room[2] = i == 2 and room[2] - 1 or room[2]
    end
  end
  for _, id in ipairs(ids) do -- an entry whose record is gone cannot run; before Redis 7 it stays pending
    if not found[id] then
      redis.call('XACK', lane, group, id)
    end
  end
end

for _, consumer in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, 50)) do
  if consumer ~= '#since' then
    take(1, consumer)
    take(2, consumer)
  end
end
return taken
