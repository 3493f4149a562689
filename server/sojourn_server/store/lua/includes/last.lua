-- The shard's last sequence number `last`, and its commit time `last_us`.
local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)
local last, last_us = '0', '0'
if newest[1] then last, last_us = string.sub(newest[1][1], 3), newest[1][2][6] end
