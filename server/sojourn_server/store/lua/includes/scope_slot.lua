-- Picks the lowest free slot and the next token. Expects: used, last_token, us; names pool, free.
-- Each slot below the highest one held is held or in `free`: when that is empty, the next is the number of those held.
local slot = pool == '1' and redis.call('ZPOPMIN', free)[1] or used
used = used + 1
last_token = math.max(last_token + 1, tonumber(us))
local token = string.format('%.0f', last_token)
