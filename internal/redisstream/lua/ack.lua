-- Settles entries of the consumer for good.
--
-- KEYS: 1 stream, 2 low lane, 3 open
-- ARGV: 1 group, 2 consumer, 3 how many entries it holds in all, 4 and 5 how many are settled of the stream and of the low
-- lane, then their ids in this order, then their users
-- Returns for each entry 1, or 0 when it is not the consumer's
local group, me, held = ARGV[1], ARGV[2], tonumber(ARGV[3])
local counts = {tonumber(ARGV[4]), tonumber(ARGV[5])}
local total = counts[1] + counts[2]
local settled, names, less = {}, {}, {}

local k = 6
for i = 1, 2 do
  local lane, mine, ids = KEYS[i], {}, {}
  if counts[i] * 4 >= held and counts[i] > 1 then -- one look at all that it holds is cheaper than one for each
    local pending = redis.pcall('XPENDING', lane, group, '-', '+', held + 10, me)
    for _, p in ipairs(pending.err and {} or pending) do
      mine[p[1]] = 1
    end
  end
  for _ = 1, counts[i] do
    local id, user = ARGV[k], ARGV[k + total]
    if mine[id] == nil then
      local pending = redis.pcall('XPENDING', lane, group, id, id, 1, me)
      mine[id] = (pending.err or #pending == 0) and 0 or 1
    end
    settled[k - 5] = mine[id]
    if mine[id] == 1 then
      mine[id] = 0
      ids[#ids + 1] = id
      if user ~= '' then
        if not less[user] then
          names[#names + 1] = user
        end
        less[user] = (less[user] or 0) + 1
      end
    end
    k = k + 1
  end
  if #ids > 0 then
    redis.call('XACK', lane, group, unpack(ids))
  end
end

if #names > 0 then
  local keep, drop = {}, {}
  for i, count in ipairs(redis.call('HMGET', KEYS[3], unpack(names))) do
    local left = (tonumber(count) or 0) - less[names[i]]
    if left > 0 then
      keep[#keep + 1] = names[i]
      keep[#keep + 1] = left
    else
      drop[#drop + 1] = names[i]
    end
  end
  if #keep > 0 then
    redis.call('HSET', KEYS[3], unpack(keep))
  end
  if #drop > 0 then
    redis.call('HDEL', KEYS[3], unpack(drop))
  end
end
return settled
