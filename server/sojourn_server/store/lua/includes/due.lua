-- Keeps the session's next expiry. Uses the names: head, due, member. Times of the head in us, timeouts and scores in ms.
local function set_due(idle, life, created, us)
  if redis.call('HGET', head, 'status') ~= '1' then
    redis.call('ZREM', due, member)
    return
  end
  local at = nil
  if idle then at = us / 1000 + idle end
  if life then
    local ends = created / 1000 + life
    if not at or ends < at then at = ends end
  end
  redis.call('ZADD', due, string.format('%.0f', at), member)
end
