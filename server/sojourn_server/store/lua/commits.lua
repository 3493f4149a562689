#!lua flags=no-writes
-- Lists the commits of a shard after a sequence number.
--
-- KEYS   log shard_incarnation
-- ARGV   name, after (exclusive), after_digest, count
--        `after_digest` is what the reader keeps of the commit time at `after`: its remainder by 65536.
-- RESULT {name, 'ok', sequence, commit us, incarnation, {{id, fields}, ...}} {name, 'too_old', sequence, us, incarnation}
--        {name, 'rolled_back', sequence, us, incarnation}
-- EVENTS none
--@include last
local incarnation = redis.call('GET', shard_incarnation) or ''
local from = tonumber(after)
if from > tonumber(last) then return {name, 'rolled_back', last, last_us, incarnation} end
if from == 0 then
  local entries = redis.call('XRANGE', log, '-', '+', 'COUNT', count)
  if entries[1] and entries[1][1] ~= '0-1' then return {name, 'too_old', last, last_us, incarnation} end
  return {name, 'ok', last, last_us, incarnation, entries}
end
-- The commit at `after` itself proves that the log still is the one the reader knows.
local entries = redis.call('XRANGE', log, string.format('0-%.0f', from), '+', 'COUNT', count + 1)
local seen = table.remove(entries, 1)
if seen[1] ~= string.format('0-%.0f', from) then return {name, 'too_old', last, last_us, incarnation} end
if seen[2][6] % 65536 ~= tonumber(after_digest) then
  return {name, 'rolled_back', last, last_us, incarnation}
end
return {name, 'ok', last, last_us, incarnation, entries}
