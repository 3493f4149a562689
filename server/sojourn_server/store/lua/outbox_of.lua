#!lua flags=no-writes
-- Lists the sessions of a tenant in a shard whose catalog rows are behind.
--
-- KEYS   dirty
-- ARGV   name, tenant
-- RESULT {name, {member, ...}}
-- EVENTS none
local found, prefix, size = {}, tenant .. '/', 1000
for begin = 0, redis.call('ZCARD', dirty) - 1, size do
  for _, member in ipairs(redis.call('ZRANGE', dirty, begin, begin + size - 1)) do
    if string.sub(member, 1, #prefix) == prefix then found[#found + 1] = member end
  end
end
return {name, found}
