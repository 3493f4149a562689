#!lua flags=allow-oom
-- Puts a session at the end of the outbox: it cannot be projected at present, and others can.
--
-- KEYS   dirty
-- ARGV   member
-- RESULT {member}
-- EVENTS none
redis.call('ZADD', dirty, 'XX', redis.call('TIME')[1], member)
return {member}
