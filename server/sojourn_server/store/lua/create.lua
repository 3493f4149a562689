#!lua
-- Creates a session: its head and its first event; nothing when the id is taken.
--
-- KEYS   head events tombstone idempotency index due dirty sequence log shard_incarnation
-- ARGV   member, session_id, uid, fingerprint|'', retention s, max_bytes, idle ms|'', life ms|'', mask, body, channel, inline_limit,
--        log_length, n_sets, then so many (field, value)
-- RESULT {member, 'ok', revision, commit us, uid, incarnation, replayed 0|1}
--        {member, 'exists', revision, updated us, uid, incarnation} {member, 'gone', revision} {member, 'bytes', 0, actual, limit}
--        {member, 'reused', revision}
-- EVENTS one, revision 1, with `body`
--@include commit
--@include idempotency
--@include fields
--@include due

local h = redis.call('HMGET', head, 'uid', 'inc', 'rev', 'updated')

local first = recall()
if first then
  if first.fingerprint ~= fingerprint then return {member, 'reused', h[3] or first.revision} end
  if first.uid ~= h[1] then return {member, 'gone', first.revision} end
  return {member, 'ok', first.revision, first.us, first.uid, first.incarnation, 1}
end

if h[1] then return {member, 'exists', h[3], h[4], h[1], h[2]} end

local incarnation = redis.call('GET', shard_incarnation)
if not incarnation then return {member, 'closed'} end

local grown = growth(NARGS + 1, NARGS + 2 * n_sets, NARGS + 2 * n_sets)
if grown > tonumber(max_bytes) then return {member, 'bytes', 0, digits(grown), max_bytes} end

local us = digits(now_us())
in_pieces('HSET', NARGS + 1, NARGS + 2 * n_sets)
redis.call('HSET', head, 'inc', incarnation, 'rev', 1, 'created', us, 'updated', us, 'bytes', digits(grown))
redis.call('ZADD', index, us, session_id)
redis.call('DEL', tombstone)
if idle ~= '' or life ~= '' then
  set_due(idle ~= '' and idle or nil, life ~= '' and life or nil, us, us)
end
commit(uid, incarnation, 1, us, mask, body)
remember(uid, 1, us, incarnation)
return {member, 'ok', 1, us, uid, incarnation, 0}
