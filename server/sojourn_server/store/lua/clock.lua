#!lua flags=no-writes
-- Tells the store's time.
--
-- KEYS   shard_incarnation
-- ARGV   name
-- RESULT {name, us}
-- EVENTS none
--@include now
return {name, us}
