-- Keeps what became of a scope; removes it when nothing is left and it is no pool. Tokens grow all the same: by the clock.
if used == 0 and not size and redis.call('EXISTS', waiting) == 0 then
  redis.call('UNLINK', scope, turns, free)
elseif used ~= tonumber(was[2]) or last_token ~= tonumber(was[3]) or turn ~= tonumber(was[4]) then
  redis.call('HSET', scope, 'used', used, 'token', string.format('%.0f', last_token), 'turn', turn)
end
