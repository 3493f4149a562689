#!lua
-- Lists what the clock made of a shard, to the worker that looks after it: the one whose own lease runs, or the first
-- to come when nobody's does.
--
-- KEYS   lease due reaper
-- ARGV   name, worker, worker_ms, count
-- RESULT {name, 'held'} {name, 'ok', {leases that ran out, ...}, {members whose time is over, ...}, more 0|1}
-- EVENTS none
local holder = redis.call('GET', reaper)
if holder and holder ~= worker then return {name, 'held'} end
redis.call('SET', reaper, worker, 'PX', worker_ms)
--@include now
local before = string.format('(%.0f', math.floor(us / 1000)) -- the clock is rounded down: nothing is told too early
local lapsed = redis.call('ZRANGEBYSCORE', lease, '-inf', before, 'LIMIT', 0, count)
local over = redis.call('ZRANGEBYSCORE', due, '-inf', before, 'LIMIT', 0, count)
local more = (#lapsed == tonumber(count) or #over == tonumber(count)) and 1 or 0
return {name, 'ok', lapsed, over, more}
