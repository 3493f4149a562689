#!lua
-- Reserves a place for a session of a user, when there is room.
--
-- KEYS   places
-- ARGV   name, session_id, limit (0 = none), grace_ms, count
-- RESULT {name, 'enrolled'} {name, 'full', {session id, ...}, {session id whose place is younger than `grace_ms`, ...}},
--        both oldest first
-- EVENTS none
if redis.call('ZSCORE', places, session_id) then return {name, 'enrolled'} end
--@include now
if limit == '0' or redis.call('ZCARD', places) < tonumber(limit) then
  redis.call('ZADD', places, us, session_id)
  return {name, 'enrolled'}
end
local since = string.format('%.0f', us - grace_ms * 1000)
return {
  name, 'full', redis.call('ZRANGEBYSCORE', places, '-inf', since, 'LIMIT', 0, count),
  redis.call('ZRANGEBYSCORE', places, '(' .. since, '+inf', 'LIMIT', 0, count)
}
