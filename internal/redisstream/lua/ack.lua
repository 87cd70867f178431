-- Settles entries of the consumer for good.
--
-- KEYS: 1 stream, 2 low lane, 3 open
-- ARGV: 1 group, 2 consumer, then for each entry: "0" or "1" for the low lane, id, user
-- Returns for each entry 1, or 0 when it is not the consumer's
local lanes, open = {['0'] = KEYS[1], ['1'] = KEYS[2]}, KEYS[3]
local group, me = ARGV[1], ARGV[2]
local settled, users = {}, {}
for i = 3, #ARGV, 3 do
  local lane, id, user = lanes[ARGV[i]], ARGV[i + 1], ARGV[i + 2]
  local pending = redis.pcall('XPENDING', lane, group, id, id, 1, me)
  if pending.err or #pending == 0 then
    settled[#settled + 1] = 0
  else
    redis.call('XACK', lane, group, id)
    settled[#settled + 1] = 1
    if user ~= '' then
      users[user] = (users[user] or 0) + 1
    end
  end
end
for user, n in pairs(users) do
  if redis.call('HINCRBY', open, user, -n) <= 0 then
    redis.call('HDEL', open, user)
  end
end
return settled
