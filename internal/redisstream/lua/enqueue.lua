-- Adds entries: at once to a lane, or to the delayed set. Entries of a user who has more than the fair share open go to the
-- low lane.
--
-- KEYS: 1 stream, 2 low lane, 3 delayed, 4 open
-- ARGV: 1 fair share, 2 fields and values of an entry, then for each entry: ms to wait (0 for none), "1" to ask for the
-- low lane, user, fields and values
-- Returns how many were added
local stream, low, delayed, open = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local fair, width = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local names, counts = {}, {}
for i = 3, #ARGV, width + 3 do
  local user = ARGV[i + 2]
  if user ~= '' and not counts[user] then
    counts[user] = 0
    names[#names + 1] = user
  end
end
if #names > 0 then
  for i, count in ipairs(redis.call('HMGET', open, unpack(names))) do
    counts[names[i]] = tonumber(count) or 0
  end
end

local added = 0
for i = 3, #ARGV, width + 3 do
  local wait, slow, user = tonumber(ARGV[i]), ARGV[i + 1] == '1', ARGV[i + 2]
  local first, last = i + 3, i + 2 + width
  local count = (counts[user] or 0) + 1
  if user ~= '' and count > fair then
    slow = true
  end
  if wait <= 0 then
    redis.call('XADD', slow and low or stream, '*', unpack(ARGV, first, last))
  else
    local member = cjson.encode({slow and '1' or '0', unpack(ARGV, first, last)})
    if redis.call('ZADD', delayed, 'LT', now + wait, member) == 0 then
      count = count - 1 -- the same was waiting already
    end
  end
  if user ~= '' then
    counts[user] = count
  end
  added = added + 1
end

if #names > 0 then
  local set = {}
  for _, user in ipairs(names) do
    if counts[user] > 0 then
      set[#set + 1] = user
      set[#set + 1] = counts[user]
    end
  end
  if #set > 0 then
    redis.call('HSET', open, unpack(set))
  end
end
return added
