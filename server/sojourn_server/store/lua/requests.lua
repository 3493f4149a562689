#!lua flags=no-writes
-- Reads the live requests of a session.
--
-- KEYS   head requests queue lease tombstone
-- ARGV   member
-- RESULT {member, 'ok', {shown record, ...}} {member, 'missing'} {member, 'deleted', revision}
-- EVENTS none
--@include session
--@include records
local places = {}
for i, name in ipairs(redis.call('ZRANGE', queue, 0, -1)) do places[string.match(name, '[^/]+$')] = i end
local fields, all = {}, redis.call('HGETALL', requests)
for i = 1, #all, 2 do fields[all[i]] = all[i + 1] end
local found = {}
for name, raw in pairs(fields) do
  if string.sub(name, 1, 2) == 'q:' then
    local id = string.sub(name, 3)
    local ttl = string.match(raw, '^.-\n.-\n.-\n.-\n(%d+)')
    local deadline = redis.call('ZSCORE', lease, ttl .. '|r|' .. member .. '/' .. id) or '0'
    local reason = fields['c:' .. id]
    found[#found + 1] = {id, raw, places[id] or 0, deadline, reason and {reason} or {}, fields['p:' .. id] or ''}
  end
end
return {member, 'ok', found}
