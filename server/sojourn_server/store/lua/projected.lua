#!lua flags=allow-oom
-- Notes that the catalog has a session up to a revision: takes it out of the outbox unless it has moved on, and drops
-- events that the catalog has from the log's beginning. Allowed when memory is full: it frees some.
--
-- KEYS   head events dirty
-- ARGV   member, uid, revision, keep (events that stay for watchers who resume)
-- RESULT {member, 'ok'|'behind'} {member, 'other'} when the store does not have this session, or not so far
-- EVENTS none
local h = redis.call('HMGET', head, 'uid', 'rev', 'oldest', 'cat')
if h[1] ~= uid or tonumber(revision) > tonumber(h[2]) then return {member, 'other'} end
if tonumber(revision) > tonumber(h[4] or 0) then redis.call('HSET', head, 'cat', revision) end
local oldest, first = tonumber(h[3] or '1'), revision - keep + 1
-- A trim costs the same for one event as for many.
if first >= oldest + math.max(keep / 4, 1) then
  first = string.format('%.0f', first)
  redis.call('XTRIM', events, 'MINID', first .. '-0')
  redis.call('HSET', head, 'oldest', first)
end
if tonumber(h[2]) > tonumber(revision) then
  -- To the end, for the others' sake.
  redis.call('ZADD', dirty, redis.call('TIME')[1], member)
  return {member, 'behind'}
end
redis.call('HDEL', head, 'dirty')
redis.call('ZREM', dirty, member)
return {member, 'ok'}
