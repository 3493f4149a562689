#!lua flags=no-writes
-- Lists the commits of a shard after a sequence number.
--
-- KEYS   log shard_incarnation
-- ARGV   name, after (exclusive), count
-- RESULT {name, 'ok', sequence, incarnation, {{id, fields}, ...}} {name, 'too_old', sequence, incarnation}
--        {name, 'rolled_back', sequence, incarnation}
-- EVENTS none
--@include last
local incarnation = redis.call('GET', shard_incarnation) or ''
local from, to = tonumber(after), tonumber(last)
if from > to then return {name, 'rolled_back', last, incarnation} end
if from == to then return {name, 'ok', last, incarnation, {}} end
local entries = redis.call('XRANGE', log, string.format('0-%.0f', from + 1), '+', 'COUNT', count)
if not entries[1] or tonumber(string.sub(entries[1][1], 3)) ~= from + 1 then
  return {name, 'too_old', last, incarnation}
end
return {name, 'ok', last, incarnation, entries}
