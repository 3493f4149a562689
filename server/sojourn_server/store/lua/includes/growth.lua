-- Sets `grown` to the bytes that the sets and deletes add to the head. Expects sets_from, sets_to, deletes_to, head.
-- Fields never hold empty values (effects.py), so a length of 0 means absent.
for i = sets_from, sets_to, 2 do
  local field = ARGV[i]
  if string.sub(field, 2, 2) == ':' then
    local old = redis.call('HSTRLEN', head, field)
    grown = grown + #ARGV[i + 1] - old
    if old == 0 then grown = grown + #field end
  end
end
for i = sets_to + 1, deletes_to do
  local field = ARGV[i]
  local old = redis.call('HSTRLEN', head, field)
  if old > 0 and string.sub(field, 2, 2) == ':' then grown = grown - old - #field end
end
