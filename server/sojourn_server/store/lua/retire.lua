#!lua flags=allow-oom
-- Removes a session that has ended, and that the catalog has whole, from the store: another tier has it from now on. Tells
-- watchers. Allowed when memory is full: it frees some.
--
-- KEYS   head events requests queue tombstone retired by_creation due dirty log elsewhere
-- ARGV   member, session_id, expected_uid, expected_revision, retention s, channel, log_length, bit1, bit2, bit3, bit4
-- RESULT {member, 'ok'} {member, 'gone'} when it is not there {member, 'stays'} when it may not go
-- EVENTS none; a notification with kind mask A
local h = redis.call('HMGET', head, 'uid', 'inc', 'rev', 'status', 'dirty', 'cat')
local uid, incarnation, revision = h[1], h[2], h[3]
if uid ~= expected_uid then return {member, 'gone'} end
if revision ~= expected_revision or h[4] == '1' or h[5] or h[6] ~= revision then return {member, 'stays'} end
if redis.call('EXISTS', requests) == 1 then return {member, 'stays'} end

--@include now
for _, place in ipairs({bit1, bit2, bit3, bit4}) do redis.call('SETBIT', elsewhere, place, 1) end
redis.call('UNLINK', head, events, requests, queue)
redis.call('ZREM', by_creation, session_id)
redis.call('ZREM', due, member)
redis.call('ZREM', dirty, member)
redis.call('HSET', retired, 'uid', uid, 'rev', revision)
redis.call('EXPIRE', retired, retention)
local entry = redis.call('XADD', log, 'MAXLEN', '~', log_length, '0-*', 's', member, 'r', revision, 't', us, 'a', uid)
local seq = string.sub(entry, 3)
redis.call('SPUBLISH', channel, table.concat({member, uid, incarnation, revision, us, seq, 'A', ''}, '\n'))
return {member, 'ok'}
