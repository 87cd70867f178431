-- Removes old entries of a lane, never one that is pending or unread. A lane without a group was never read and is left alone.
--
-- KEYS: 1 lane
-- ARGV: 1 group, 2 retention in ms, 3 most entries to keep, 4 most entries to remove
-- Returns {entries removed, 1 if there are more to remove}
local lane, group, most = KEYS[1], ARGV[1], tonumber(ARGV[3])
if redis.call('EXISTS', lane) == 0 then
  return {0, 0}
end
local function before(a, b) -- orders entry ids
  local am, as = string.match(a, '(%d+)-(%d+)')
  local bm, bs = string.match(b, '(%d+)-(%d+)')
  if #am ~= #bm then return #am < #bm end
  if am ~= bm then return am < bm end
  if #as ~= #bs then return #as < #bs end
  return as < bs
end
local safe
for _, info in ipairs(redis.call('XINFO', 'GROUPS', lane)) do
  local g = {}
  for i = 1, #info, 2 do
    g[info[i]] = info[i + 1]
  end
  if g['name'] == group then
    safe = g['last-delivered-id']
    local oldest = redis.call('XPENDING', lane, group)[2]
    if oldest and before(oldest, safe) then
      safe = oldest
    end
  end
end
if not safe then
  return {0, 0}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local cut = string.format('%.0f-0', math.max(0, now - tonumber(ARGV[2])))
local step = tonumber(ARGV[4])
local oldest = redis.call('XRANGE', lane, '-', '+', 'COUNT', step + 1)
local excess = redis.call('XLEN', lane) - most
if excess > 0 then
  local id = oldest[math.min(excess + 1, #oldest)][1]
  if before(cut, id) then
    cut = id
  end
end
if before(safe, cut) then
  cut = safe
end
local more = 0
if #oldest > step and before(oldest[step + 1][1], cut) then -- the rest is for further calls
  cut, more = oldest[step + 1][1], 1
end
local removed = redis.call('XTRIM', lane, 'MINID', cut)
if redis.call('XLEN', lane) > most and cut ~= safe then
  more = 1
end
return {removed, more}
