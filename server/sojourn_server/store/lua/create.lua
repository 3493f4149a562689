#!lua
-- Creates a session: its head and its first event; nothing when the id is taken.
--
-- KEYS   head events tombstone idempotency by_creation due dirty log shard_incarnation elsewhere
-- ARGV   member, session_id, uid, fingerprint|'', retention s, max_bytes, idle_ms|'', life_ms|'', mask, body, channel,
--        inline_limit, log_length, checked 0|1, bit1, bit2, bit3, bit4, n_sets, then so many (field, value)
--        `checked` 1: the catalog was asked, or need not be.
-- RESULT {member, 'ok', revision, commit us, uid, incarnation, replayed 0|1}
--        {member, 'exists', revision, updated us, uid, incarnation} {member, 'gone', revision}
--        {member, 'bytes', 0, actual, limit} {member, 'reused', revision} {member, 'closed'}
--        {member, 'maybe', uid of the session deleted last|''} when another tier may have a session of this id
-- EVENTS one, revision 1, with `body`
local h = redis.call('HMGET', head, 'uid', 'inc', 'rev', 'updated')

--@include recall
if first then
  if first.fingerprint ~= fingerprint then return {member, 'reused', h[3] or first.revision} end
  if first.uid ~= h[1] then return {member, 'gone', first.revision} end
  return {member, 'ok', first.revision, first.us, first.uid, first.incarnation, 1}
end

if h[1] then return {member, 'exists', h[3], h[4], h[1], h[2]} end
if checked ~= '1' then
  --@include elsewhere
  if maybe then return {member, 'maybe', redis.call('HGET', tombstone, 'uid') or ''} end
end

local incarnation = redis.call('GET', shard_incarnation)
if not incarnation then return {member, 'closed'} end

local grown, revision = 0, 1
local sets_from, sets_to = NARGS + 1, NARGS + 2 * n_sets
local deletes_to = sets_to
--@include growth
if grown > tonumber(max_bytes) then return {member, 'bytes', 0, string.format('%.0f', grown), max_bytes} end

--@include now
--@include pieces
redis.call('HSET', head, 'inc', incarnation, 'rev', 1, 'created', us, 'updated', us, 'bytes', grown, 'dirty', 1)
redis.call('ZADD', dirty, 'NX', seconds, member)
in_pieces('HSET', sets_from, sets_to)
redis.call('ZADD', by_creation, us, session_id)
redis.call('DEL', tombstone)
if idle_ms ~= '' or life_ms ~= '' then
  local active, created = true, us
  local idle, life = idle_ms ~= '' and idle_ms or nil, life_ms ~= '' and life_ms or nil
  --@include due
end
--@include commit
--@include remember
return {member, 'ok', 1, us, uid, incarnation, 0}
