#!lua flags=allow-oom
-- Notes that the catalog has forgotten a session: takes it out of the outbox unless something happened under its id
-- meanwhile. Allowed when memory is full: it frees some.
--
-- KEYS   head tombstone dirty
-- ARGV   member, deleted (uid of the session deleted last, as it was when the catalog forgot)
-- RESULT {member, 'ok'|'again'}
-- EVENTS none
if redis.call('EXISTS', head) == 1 then return {member, 'again'} end
local last = redis.call('HGET', tombstone, 'uid')
-- Another session was made and deleted under the same id: the catalog may have it.
if last and last ~= deleted then return {member, 'again'} end
redis.call('ZREM', dirty, member)
return {member, 'ok'}
