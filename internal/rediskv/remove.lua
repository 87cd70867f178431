-- Removes a snapshot and tells those who watch the evaluation that it is gone.
--
-- KEYS[1]  the snapshot
-- ARGV[1]  channel
-- ARGV[2]  message to publish
--
-- Returns 1 if there was a snapshot, 0 if not; the message is sent in both cases.
local removed = redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return removed
