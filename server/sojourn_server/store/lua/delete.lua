#!lua flags=allow-oom
-- Removes a session and its log for ever, leaves a tombstone, tells watchers. Allowed when memory is full: it frees some.
--
-- KEYS   head events requests queue lease tombstone idempotency by_creation due dirty log
-- ARGV   member, session_id, expected_revision|'', fingerprint|'', retention s, channel, log_length
-- RESULT {member, 'ok', revision} {member, 'missing'} {member, 'deleted', revision} {member, 'revision', revision}
--        {member, 'reused', revision}
-- EVENTS none; a notification with kind mask D
local h = redis.call('HMGET', head, 'uid', 'inc', 'rev')
local uid, incarnation, revision = h[1], h[2], h[3]

--@include recall
if first then
  if first.fingerprint ~= fingerprint then return {member, 'reused', revision or first.revision} end
  return {member, 'ok', first.revision}
end

if not uid then
  local last = redis.call('HGET', tombstone, 'rev')
  if last then return {member, 'deleted', last} end
  return {member, 'missing'}
end
if expected_revision ~= '' and expected_revision ~= revision then return {member, 'revision', revision} end

--@include now
if redis.call('EXISTS', requests) == 1 then
  --@include records
  for _, name in ipairs(redis.call('HKEYS', requests)) do
    if string.sub(name, 1, 2) == 'q:' then
      local rec = read_record(string.sub(name, 3))
      redis.call('ZREM', lease, rec.lease, '0|t|' .. member .. '/' .. rec.id)
    end
  end
end
redis.call('UNLINK', head, events, requests, queue)
redis.call('ZREM', by_creation, session_id)
redis.call('ZREM', due, member)
redis.call('ZADD', dirty, 'NX', seconds, member)
redis.call('HSET', tombstone, 'uid', uid, 'rev', revision)
redis.call('EXPIRE', tombstone, retention)
--@include remember
local entry = redis.call('XADD', log, 'MAXLEN', '~', log_length, '0-*', 's', member, 'r', revision, 't', us, 'd', uid)
local seq = string.sub(entry, 3)
redis.call('SPUBLISH', channel, table.concat({member, uid, incarnation, revision, us, seq, 'D', ''}, '\n'))
return {member, 'ok', revision}
