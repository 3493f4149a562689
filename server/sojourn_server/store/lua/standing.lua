#!lua flags=no-writes
-- Tells what is under a session's id: the uid of the session, and of the one that was deleted last.
--
-- KEYS   head tombstone
-- ARGV   member
-- RESULT {member, uid|'', deleted uid|''}
-- EVENTS none
return {member, redis.call('HGET', head, 'uid') or '', redis.call('HGET', tombstone, 'uid') or ''}
