-- Gives out a permit of one or several limits, all of them or none, and keeps the holder's lease on the permits that it has. A holder
-- says how many it has, not that it took or gave one back: a call whose reply was lost does no harm.
--
-- KEYS  the limits, each a hash:
--         since         from when on a missing or expired lease means death, in µs (as all times here, by this clock)
--         tat           when the next request is due at an even pace ("theoretical arrival time" of the algorithm GCRA)
--         h:<holder>    expiry of its lease, permits that it has, since when it waits (0: it does not), when it asks again
-- ARGV  1 holder, 2 lease in ms, 3 permits that it has, 4 "1" if it wants one more; then for each limit: µs between two
--       requests (0: no rate), requests that may come together, most permits at a time (0: no bound), requests that a permit is for
-- Returns {1 if a permit was given, µs until it holds; or 0, µs until the holder should ask again}
local me, lease = 'h:' .. ARGV[1], tonumber(ARGV[2]) * 1000
local held, wants = tonumber(ARGV[3]), ARGV[4] == '1'
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local longest = lease / 4 -- a holder asks again at least this often
local poll = 10000        -- of the first in the queue while all permits are taken, since nobody knows when one comes back
local ahead = 50000       -- a permit is given this long before it holds, so that the pace does not suffer from the way here
local late = 250000       -- a holder that is this late has lost its turn until it asks again

local function read(key)
  local l = {key = key, used = 0, queue = {}, living = 0, tat = 0}
  local flat = redis.call('HGETALL', key)
  for i = 1, #flat, 2 do
    local name, value = flat[i], flat[i + 1]
    if name == 'since' then
      l.since = tonumber(value)
    elseif name == 'tat' then
      l.tat = tonumber(value)
    else
      local expiry, has, asked, due = string.match(value, '^(%d+) (%d+) (%d+) (%d+)$')
      local h = {name = name, expiry = tonumber(expiry or 0), has = tonumber(has or 0), asked = tonumber(asked or 0)}
      if name == me then
        l.mine = h
      elseif h.expiry <= now then
        if l.since and now - l.since >= lease then
          redis.call('HDEL', key, name)
        end
      else
        l.living = l.living + 1
        l.used = l.used + h.has
        if h.asked > 0 and now <= tonumber(due) + late then
          l.queue[#l.queue + 1] = h
        end
      end
    end
  end
  -- A new hash, as after a loss of Redis: those who live have not registered yet. The same when all leases ran out at once:
  -- it was Redis that was away. Nothing is given until a lease after it.
  if not l.since or (l.mine and l.mine.expiry <= now and l.living == 0) then
    l.since = now
    redis.call('HSET', key, 'since', string.format('%.0f', now))
  end
  return l
end

local limits, asked = {}, now
for i, key in ipairs(KEYS) do
  local l, a = read(key), 4 * i + 1
  l.every, l.burst, l.most, l.cost = tonumber(ARGV[a]), tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
  l.burst = math.max(l.burst, l.cost)
  l.tat = math.max(l.tat, now)
  if i == 1 and l.mine and l.mine.asked > 0 then
    asked = l.mine.asked -- the same in all limits, so that no two wait for one another
  end
  limits[i] = l
end

-- How many permits a limit has, when its pace allows the n-th, and when to ask for it.
local function has(l)
  if now - l.since < lease then
    return 0
  end
  local n = math.huge
  if l.most > 0 then
    n = l.most - l.used - held
  end
  if l.every > 0 then
    n = math.min(n, math.floor((now + ahead + l.burst * l.every - l.tat) / (l.every * l.cost)))
  end
  return n
end
local function untilPace(l, n)
  return l.every > 0 and math.max(0, l.tat + n * l.cost * l.every - l.burst * l.every - now) or 0
end
local function waitFor(l, n)
  local wait = math.max(0, l.since + lease - now, untilPace(l, n) - ahead)
  if l.most > 0 and l.most - l.used - held < n then
    wait = math.max(wait, n * poll) -- the queue empties from the front
  end
  return wait
end

-- Those who have waited longer come first.
local given, wait, closed = wants and 1 or 0, 0, 0
for _, l in ipairs(limits) do
  local before = 0
  for _, h in ipairs(l.queue) do
    if h.asked < asked or (h.asked == asked and h.name < me) then
      before = before + 1
    end
  end
  l.open = has(l) > 0
  if not l.open then
    closed = closed + 1
  end
  if wants and has(l) <= before then
    given = 0
    wait = math.max(wait, waitFor(l, before + 1))
  end
end
wait = math.max(1000, math.min(wait, longest))
local start = 0

for _, l in ipairs(limits) do
  if given == 1 and l.every > 0 then
    start = math.max(start, untilPace(l, 1))
    redis.call('HSET', l.key, 'tat', string.format('%.0f', l.tat + l.cost * l.every))
  end
  local keeps = l.most > 0 and held + given or 0
  local waits = wants and given == 0
  if keeps > 0 or waits then
    -- Whoever waits for another limit holds up nobody here.
    local elsewhere = closed - (l.open and 0 or 1) > 0
    redis.call('HSET', l.key, me, string.format('%.0f %d %.0f %.0f', now + lease, keeps, waits and asked or 0, elsewhere and 0 or now + wait))
  else
    redis.call('HDEL', l.key, me)
  end
end
return {given, given == 1 and start or wait}
