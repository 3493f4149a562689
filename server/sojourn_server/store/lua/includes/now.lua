-- The store's clock: `seconds`, and `us` as digits.
local clock = redis.call('TIME')
local seconds = clock[1]
local us = string.format('%s%06d', seconds, clock[2])
