-- Adds entries: at once to a lane, or to the delayed set. Entries of a user who has more than the fair share open go to the
-- low lane.
--
-- KEYS: 1 stream, 2 low lane, 3 delayed, 4 open
-- ARGV: 1 fair share, 2 fields and values of an entry, then for each entry: ms to wait (0 for none), "1" to ask for the
-- low lane, user, fields and values
-- Returns how many were added
local stream, low, delayed, open = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local fair, width = tonumber(ARGV[1]), tonumber(ARGV[2])
local now

local added = 0
for i = 3, #ARGV, width + 3 do
  local wait, slow, user = tonumber(ARGV[i]), ARGV[i + 1] == '1', ARGV[i + 2]
  local first, last = i + 3, i + 2 + width
  if user ~= '' and redis.call('HINCRBY', open, user, 1) > fair then
    slow = true
  end
  if wait <= 0 then
    redis.call('XADD', slow and low or stream, '*', unpack(ARGV, first, last))
  else
    if not now then
      local time = redis.call('TIME')
      now = time[1] * 1000 + math.floor(time[2] / 1000)
    end
    local member = cjson.encode({slow and '1' or '0', unpack(ARGV, first, last)})
    if redis.call('ZADD', delayed, 'LT', now + wait, member) == 0 and user ~= '' then -- the same was waiting already
      if redis.call('HINCRBY', open, user, -1) <= 0 then
        redis.call('HDEL', open, user)
      end
    end
  end
  added = added + 1
end
return added
