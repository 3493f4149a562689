#!lua flags=allow-oom
-- Frees places of sessions of a user. Allowed when memory is full: it frees some.
--
-- KEYS   places
-- ARGV   name, then session ids
-- RESULT {name}
-- EVENTS none
for i = NARGS + 1, #ARGV, 4000 do
  redis.call('ZREM', places, unpack(ARGV, i, math.min(i + 3999, #ARGV)))
end
return {name}
