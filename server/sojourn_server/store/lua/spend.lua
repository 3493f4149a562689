#!lua
-- Takes a token of a bucket that fills steadily. A bucket that is not there is full; it goes when it is full again.
--
-- KEYS   bucket
-- ARGV   name, rate (tokens a second), burst (most tokens)
-- RESULT {name, 'ok'} {name, 'empty', seconds until there is a token}
-- EVENTS none
--@include now
rate, burst = tonumber(rate), tonumber(burst)
local h = redis.call('HMGET', bucket, 'tokens', 'us')
local since = h[2] and us - h[2] or 0
local tokens = math.min(burst, (h[1] or burst) + math.max(since, 0) * rate / 1000000)
local answer = {name, 'ok'}
if tokens >= 1 then
  tokens = tokens - 1
else
  answer = {name, 'empty', string.format('%.9f', (1 - tokens) / rate)}
  if since >= 0 then return answer end
  -- The clock was set back: from now on the bucket fills by it.
end
redis.call('HSET', bucket, 'tokens', string.format('%.9f', tokens), 'us', us)
redis.call('PEXPIRE', bucket, string.format('%.0f', math.ceil((burst - tokens) / rate * 1000)))
return answer
