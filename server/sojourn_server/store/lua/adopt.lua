#!lua
-- Puts a session into the store as it is at a revision up to which the catalog has all its events; an event may become its
-- next revision in the same step. Of a session that the store lost, an older copy is replaced.
--
-- KEYS   head events requests queue lease tombstone retired idempotency by_creation due dirty log shard_incarnation
-- ARGV   member, session_id, uid, own_incarnation|'' (the shard's), base (revision), base_us (its commit time), lost 0|1,
--        active 0|1, idle_ms|'', life_ms|'', created_us|'' (the event's commit time), bytes, with_event 0|1,
--        fingerprint|'', retention s, mask, body, channel, inline_limit, log_length, n_sets, n_stamps, then so many
--        (field, value), fields: the head with the event's effects
-- RESULT {member, 'ok', revision, commit us, uid, incarnation, replayed 0|1} {member, 'exists', revision}
--        {member, 'deleted', revision} {member, 'reused', revision} {member, 'closed'}
-- EVENTS one, base + 1, with `body`; or none
local h = redis.call('HMGET', head, 'uid', 'inc', 'rev')
local gone = redis.call('HMGET', tombstone, 'uid', 'rev')

--@include recall
if first then
  if first.fingerprint ~= fingerprint then return {member, 'reused', h[3] or first.revision} end
  if first.uid == gone[1] then return {member, 'deleted', gone[2]} end
  return {member, 'ok', first.revision, first.us, first.uid, first.incarnation, 1}
end
if gone[1] == uid then return {member, 'deleted', gone[2]} end

-- Whoever asks looked before the session came, was written to and left again.
local left = redis.call('HMGET', retired, 'uid', 'rev')
if lost == '0' and left[1] == uid and tonumber(left[2]) > tonumber(base) then return {member, 'exists', left[2]} end

local present = redis.call('GET', shard_incarnation)
if not present then return {member, 'closed'} end
local incarnation = own_incarnation ~= '' and own_incarnation or present

if h[1] then
  local older = h[1] == uid and (tonumber(h[3]) < tonumber(base) or h[2] ~= present)
  if lost == '0' or not older then return {member, 'exists', h[3]} end
end

--@include now
if h[1] then
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
end
redis.call('DEL', tombstone, retired)

local revision = base
if with_event == '1' then revision = string.format('%d', base + 1) else us = base_us end
--@include pieces
local sets_to = NARGS + 2 * n_sets
redis.call('HSET', head, 'inc', incarnation, 'rev', revision, 'updated', us, 'bytes', bytes, 'cat', base,
  'oldest', string.format('%d', base + 1), 'dirty', 1)
in_pieces('HSET', NARGS + 1, sets_to)
for i = sets_to + 1, sets_to + n_stamps do redis.call('HSET', head, ARGV[i], us) end
redis.call('ZADD', dirty, 'NX', seconds, member)

local created = created_us ~= '' and created_us or us
redis.call('ZADD', by_creation, created, session_id)
if idle_ms ~= '' or life_ms ~= '' then
  local idle, life = idle_ms ~= '' and idle_ms or nil, life_ms ~= '' and life_ms or nil
  local active = active == '1'
  --@include due
else
  redis.call('ZREM', due, member)
end
if with_event == '1' then
  --@include commit
  --@include remember
end
return {member, 'ok', revision, us, uid, incarnation, 0}
