-- Delivers again what is pending for the consumer without its knowledge: entries whose delivery was lost on the way.
--
-- KEYS: 1 stream, 2 low lane
-- ARGV: 1 group, 2 consumer, 3 most entries, 4 most of them from the low lane, 5... what the consumer knows of: "0:<id>"
-- in the stream, "1:<id>" in the low lane
-- Returns {entries of the stream, entries of the low lane, how many were left for lack of room}
local lanes = {KEYS[1], KEYS[2]}
local group, me = ARGV[1], ARGV[2]
local room = {tonumber(ARGV[3]), tonumber(ARGV[4])}
local known = {}
for i = 5, #ARGV do
  known[ARGV[i]] = true
end
local taken, left = {{}, {}}, 0
for i, lane in ipairs(lanes) do
  for _, p in ipairs(redis.call('XPENDING', lane, group, '-', '+', #ARGV + room[1], me)) do
    local id = p[1]
    if not known[(i - 1) .. ':' .. id] then
      if room[1] <= 0 or (i == 2 and room[2] <= 0) then
        left = left + 1
      else
        local entry = redis.call('XCLAIM', lane, group, me, 0, id)[1]
        if entry and entry[2] then
          table.insert(taken[i], entry)
          room[1] = room[1] - 1
          room[2] = i == 2 and room[2] - 1 or room[2]
        else
          redis.call('XACK', lane, group, id)
        end
      end
    end
  end
end
return {taken[1], taken[2], left}
