-- Reads a scope, and what `holder` has there: a slot, `h|<ttl ms>|<slot>|<token>`, or a place, `w|<ttl ms>|<place>`, where
-- a place is `<line>|<arrival>` and a line, what one user waits for with one priority, is `<9 - priority>|<user>`.
-- Expects: names scope, lease, path, holder, pool, limit. Sets most (slots there are), size, used, last_token, turn,
-- record, its lease and whether that `runs`; now_ms.
--@include now
local now_ms = math.floor(us / 1000)
local was = redis.call('HMGET', scope, 'size', 'used', 'token', 'turn', holder)
local size, record = was[1], was[5]
local used, last_token, turn = tonumber(was[2] or 0), tonumber(was[3] or 0), tonumber(was[4] or 0)
local most = tonumber(limit)
if pool == '1' then most = tonumber(size or 0) elseif most == 0 then most = math.huge end
local entry, runs = nil, false
if record then
  entry = string.match(record, '^%a|(%d+)|') .. '|s|' .. path .. '|' .. holder
  local deadline = redis.call('ZSCORE', lease, entry)
  runs = deadline and tonumber(deadline) > now_ms
end
