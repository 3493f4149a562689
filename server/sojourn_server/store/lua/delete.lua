#!lua flags=allow-oom
-- Removes a session and its log for ever, leaves a tombstone, tells watchers. Allowed when memory is full: it frees some.
--
-- KEYS   head events requests tombstone idempotency index due dirty sequence log
-- ARGV   member, session_id, expected_revision|'', fingerprint|'', retention s, channel, log_length
-- RESULT {member, 'ok', revision} {member, 'missing'} {member, 'deleted', revision} {member, 'revision', revision}
--        {member, 'reused', revision}
-- EVENTS none; a notification with kind mask D
--@include idempotency

local h = redis.call('HMGET', head, 'uid', 'inc', 'rev')

local first = recall()
if first and (not h[1] or first.uid == h[1]) then
  if first.fingerprint ~= fingerprint then return {member, 'reused', h[3] or first.revision} end
  return {member, 'ok', first.revision}
end

if not h[1] then
  local last = redis.call('HGET', tombstone, 'rev')
  if last then return {member, 'deleted', last} end
  return {member, 'missing'}
end
if expected_revision ~= '' and expected_revision ~= h[3] then return {member, 'revision', h[3]} end

local t = redis.call('TIME')
local us = string.format('%.0f', t[1] * 1000000 + t[2])
redis.call('UNLINK', head, events, requests)
redis.call('ZREM', index, session_id)
redis.call('ZREM', due, member)
redis.call('ZADD', dirty, 'NX', string.sub(us, 1, -4), member)
redis.call('HSET', tombstone, 'uid', h[1], 'rev', h[3])
redis.call('EXPIRE', tombstone, retention)
remember(h[1], h[3], us, h[2])
local seq = redis.call('INCR', sequence)
redis.call('XADD', log, 'MAXLEN', '~', log_length, seq .. '-0', 's', member, 'r', h[3], 'd', h[1])
redis.call('SPUBLISH', channel, table.concat({member, h[1], h[2], h[3], us, seq, 'D', ''}, '\n'))
return {member, 'ok', h[3]}
