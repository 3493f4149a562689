#!lua
-- Opens a shard: gives it an incarnation when it has none, that is at first start and after its data was lost; and
-- gives every lease one TTL more when another process serves it than before, because nobody could renew meanwhile.
-- Such a process may have begun with an older copy of the data: the shard is then in doubt, see store/shards.py.
--
-- KEYS   shard_incarnation run lease log
-- ARGV   name, proposed, run_id|''
-- RESULT {name, incarnation, doubt}
-- EVENTS none
local new = redis.call('SET', shard_incarnation, proposed, 'NX')
local held = redis.call('GET', run) or ''
local process, doubt = string.match(held, '^([^|]*)|?(.*)$')
if run_id ~= '' and process ~= run_id then
  --@include now
  local now_ms = math.floor(us / 1000)
  local leases = redis.call('ZRANGE', lease, 0, -1, 'WITHSCORES')
  for i = 1, #leases, 2 do
    local again = now_ms + string.match(leases[i], '^%d+')
    if again > tonumber(leases[i + 1]) then redis.call('ZADD', lease, string.format('%.0f', again), leases[i]) end
  end
  --@include last
  if doubt == '' or (doubt ~= '!' and tonumber(last) < tonumber(doubt)) then doubt = last end
  process = run_id
end
if new then doubt = '!' end
local now_held = process
if doubt ~= '' then now_held = process .. '|' .. doubt end
if now_held ~= held then redis.call('SET', run, now_held) end
return {name, redis.call('GET', shard_incarnation), doubt}
