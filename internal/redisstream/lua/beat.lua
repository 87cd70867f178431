-- Renews the consumer's lease, looks for entries of dead consumers, removes dead consumers that hold nothing, and adds
-- delayed entries that are due.
--
-- KEYS: 1 leases, 2 stream, 3 low lane, 4 delayed, 5 dead
-- KEYS: 6 paused, 7 open
-- ARGV: 1 group, 2 consumer, 3 lease in ms, 4 most entries to promote, 5 "1" to look for consumers without a lease too
-- Returns {1 if groups may be missing, 1 if the lease had run out, entries held by dead consumers (at least), entries
-- promoted, ms until the next delayed entry is due or -1, 1 if the stage is paused}
local leases, delayed = KEYS[1], KEYS[4]
local group, me, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local lanes = {KEYS[2], KEYS[3]}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The member #since says from when on a missing or expired lease means death. It is set when the table is new, because
-- after a loss of Redis the living have not registered yet; and again when every lease ran out at once, because then it
-- was Redis that was away.
local regroup, lapsed = 0, 0
local mine = tonumber(redis.call('ZSCORE', leases, me) or '')
local since = tonumber(redis.call('ZSCORE', leases, '#since') or '')
if mine and mine > 0 and mine <= now then
  lapsed = 1
end
if not since or (lapsed == 1 and redis.call('ZCOUNT', leases, '(' .. now, '+inf') == 0) then
  if not since then
    regroup = 1
  end
  since = now
  redis.call('ZADD', leases, now, '#since')
end
redis.call('ZADD', leases, now + lease, me)

local function held(consumer)
  local n = 0
  for _, lane in ipairs(lanes) do
    local pending = redis.pcall('XPENDING', lane, group, '-', '+', 100, consumer)
    if pending.err then
      regroup = 1
    else
      n = n + #pending
    end
  end
  return n
end

-- Nothing is delayed, pending or unread.
local function empty()
  if redis.call('ZCARD', delayed) > 0 then
    return false
  end
  for _, lane in ipairs(lanes) do
    local groups = redis.pcall('XINFO', 'GROUPS', lane)
    if groups.err or not groups[1] then
      return false
    end
    local g = {}
    for i = 1, #groups[1], 2 do
      g[groups[1][i]] = groups[1][i + 1]
    end
    if g['pending'] ~= 0 or #redis.call('XRANGE', lane, '(' .. g['last-delivered-id'], '+', 'COUNT', 1) > 0 then
      return false
    end
  end
  return true
end

local orphans = 0
if now - since >= lease then
  if ARGV[5] == '1' then
    if empty() then -- nothing is open: counts that say otherwise are of entries that were lost
      redis.call('DEL', KEYS[7])
    end
    for _, lane in ipairs(lanes) do
      local consumers = redis.pcall('XINFO', 'CONSUMERS', lane, group)
      if consumers.err then
        regroup = 1
      else
        for _, c in ipairs(consumers) do
          for i = 1, #c, 2 do
            if c[i] == 'name' and not redis.call('ZSCORE', leases, c[i + 1]) then
              redis.call('ZADD', leases, now + lease, c[i + 1]) -- it may have been lost and come back with the next beat
            end
          end
        end
      end
    end
  end
  for _, consumer in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, 50)) do
    if consumer ~= '#since' then
      local n = held(consumer)
      orphans = orphans + n
      if n == 0 then
        for _, lane in ipairs(lanes) do
          redis.pcall('XGROUP', 'DELCONSUMER', lane, group, consumer)
        end
        redis.call('ZREM', leases, consumer)
      end
    end
  end
end

local function promote(member) -- a member that is no list of a lane, names and values raises an error
  local entry = cjson.decode(member)
  redis.call('XADD', entry[1] == '1' and lanes[2] or lanes[1], '*', unpack(entry, 2))
end
local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, ARGV[4])
for _, member in ipairs(due) do
  if not pcall(promote, member) then
    redis.call('XADD', KEYS[5], '*', 'dead_reason', 'a delayed entry could not be decoded', 'dead_at', now, 'member', member)
  end
  redis.call('ZREM', delayed, member)
end
local following = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
local wait = -1
if following[2] then
  wait = math.max(0, tonumber(following[2]) - now)
end
return {regroup, lapsed, orphans, #due, wait, redis.call('EXISTS', KEYS[6])}
