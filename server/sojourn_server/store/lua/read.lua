#!lua flags=no-writes
-- Reads a session's head.
--
-- KEYS   head tombstone connections workers
-- ARGV   member, full 0|1 (0 leaves out state and results)
-- RESULT {member, 'ok', {field, value, ...}, open connections} {member, 'missing'} {member, 'deleted', revision}
-- EVENTS none
local count = 0
local open = redis.call('HGET', connections, member)
if open then
  --@include now
  for worker, here in string.gmatch(open, '(%S+) (%d+)') do
    local good_until = redis.call('ZSCORE', workers, worker)
    if good_until and good_until * 1000 > tonumber(us) then count = count + here end
  end
end
if full == '1' then
  local all = redis.call('HGETALL', head)
  if #all > 0 then return {member, 'ok', all, count} end
else
  local names = {}
  for _, name in ipairs(redis.call('HKEYS', head)) do
    local prefix = string.sub(name, 1, 2)
    if prefix ~= 's:' and prefix ~= 'r:' then names[#names + 1] = name end
  end
  local some = {}
  for i = 1, #names, 4000 do
    local to = math.min(i + 3999, #names)
    local values = redis.call('HMGET', head, unpack(names, i, to))
    for j = i, to do
      some[#some + 1] = names[j]
      some[#some + 1] = values[j - i + 1]
    end
  end
  if #some > 0 then return {member, 'ok', some, count} end
end
local last = redis.call('HGET', tombstone, 'rev')
if last then return {member, 'deleted', last} end
return {member, 'missing'}
