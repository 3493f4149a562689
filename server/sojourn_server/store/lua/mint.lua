#!lua
-- Keeps the id minted for a creation with an idempotency key, so that a retry finds the same.
--
-- KEYS   minted
-- ARGV   name, proposed, retention s
-- RESULT {name, id}
-- EVENTS none
local id = redis.call('GET', minted)
if not id then
  redis.call('SET', minted, proposed, 'EX', retention)
  id = proposed
end
return {name, id}
