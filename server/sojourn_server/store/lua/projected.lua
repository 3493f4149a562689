#!lua flags=allow-oom
-- Notes that the catalog has a session up to a revision: takes it out of the outbox unless it has moved on, and drops
-- events that the catalog has from the log's beginning. Allowed when memory is full: it frees some.
--
-- KEYS   head events dirty
-- ARGV   member, uid, revision, keep (events that stay for watchers who resume), gone 0|1 (the catalog forgot it)
-- RESULT {member, 'ok'|'again'}
-- EVENTS none
local h = redis.call('HMGET', head, 'uid', 'rev', 'oldest', 'cat')
if not h[1] then
  if gone ~= '1' then return {member, 'again'} end -- deleted meanwhile: the catalog is to forget it first
  redis.call('ZREM', dirty, member)
  return {member, 'ok'}
end
if gone == '1' or h[1] ~= uid then return {member, 'again'} end
if tonumber(revision) > tonumber(h[4] or 0) then redis.call('HSET', head, 'cat', revision) end
local oldest, first = tonumber(h[3] or '1'), revision - keep + 1
-- A trim costs the same for one event as for many.
if first >= oldest + math.max(keep / 4, 1) then
  redis.call('XTRIM', events, 'MINID', string.format('%.0f-0', first))
  redis.call('HSET', head, 'oldest', string.format('%.0f', first))
end
if tonumber(h[2]) > tonumber(revision) then
  redis.call('ZADD', dirty, redis.call('TIME')[1], member)
  return {member, 'again'}
end
redis.call('HDEL', head, 'dirty')
redis.call('ZREM', dirty, member)
return {member, 'ok'}
