-- The shard's last sequence number: `last`.
local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)
local last = newest[1] and string.sub(newest[1][1], 3) or '0'
