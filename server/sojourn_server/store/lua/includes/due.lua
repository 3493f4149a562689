-- Keeps the session's next expiry. Expects active (boolean), idle, life (ms or nil), created, us; names due, member.
if active then
  local at = nil
  if idle then at = us / 1000 + idle end
  if life then
    local ends = created / 1000 + life
    if not at or ends < at then at = ends end
  end
  redis.call('ZADD', due, string.format('%.0f', at), member)
else
  redis.call('ZREM', due, member)
end
