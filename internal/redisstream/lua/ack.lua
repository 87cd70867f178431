-- Settles entries of the consumer for good.
--
-- KEYS: 1 stream, 2 low lane, 3 open
-- ARGV: 1 group, 2 consumer, 3 how many entries it holds in all, then for the stream (4 to 6) and for the low lane (7 to 9) how
-- many are settled, the lowest of their ids and the highest; from 10 on their ids, those of the stream first, then their users
-- in the same order
-- Returns the positions in this order, from 0, of those that are not the consumer's
local group, me, held = ARGV[1], ARGV[2], tonumber(ARGV[3])
local counts = {tonumber(ARGV[4]), tonumber(ARGV[7])}
local users = 10 + counts[1] + counts[2]
local lost, names, less = {}, {}, {}

local k = 10
for i = 1, 2 do
  local lane, count, mine, ids = KEYS[i], counts[i], {}, {}
  if count > 1 and count * 4 >= held then -- one look at all from the lowest to the highest is cheaper than one for each
    local pending = redis.pcall('XPENDING', lane, group, ARGV[2 + 3 * i], ARGV[3 + 3 * i], held + 10, me)
    for _, p in ipairs(pending.err and {} or pending) do
      mine[p[1]] = true
    end
  end
  for at = k, k + count - 1 do
    local id, user = ARGV[at], ARGV[at - 10 + users]
    local own = mine[id]
    if own == nil then
      local pending = redis.pcall('XPENDING', lane, group, id, id, 1, me)
      own = not pending.err and #pending > 0
    end
    mine[id] = false -- if it is named twice
    if not own then
      lost[#lost + 1] = at - 10
    else
      ids[#ids + 1] = id
      if user ~= '' then
        local n = less[user]
        if not n then
          n = 0
          names[#names + 1] = user
        end
        less[user] = n + 1
      end
    end
  end
  k = k + count
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
return lost
