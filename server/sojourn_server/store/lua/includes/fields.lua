-- Applies field effects to the head and keeps count of its bytes. Uses the names: head.
-- Lengths: an absent field counts nothing; fields never hold empty values (effects.py), so HSTRLEN 0 means absent.
local function growth(pairs_from, pairs_to, deletes_to)
  local grown = 0
  for i = pairs_from, pairs_to, 2 do
    local field = ARGV[i]
    if string.sub(field, 2, 2) == ':' then
      local old = redis.call('HSTRLEN', head, field)
      grown = grown + #ARGV[i + 1] - old
      if old == 0 then grown = grown + #field end
    end
  end
  for i = pairs_to + 1, deletes_to do
    local field = ARGV[i]
    local old = redis.call('HSTRLEN', head, field)
    if old > 0 and string.sub(field, 2, 2) == ':' then grown = grown - old - #field end
  end
  return grown
end

-- unpack() is limited by Lua's stack: go in pieces.
local function in_pieces(command, from, to)
  for i = from, to, 4000 do
    redis.call(command, head, unpack(ARGV, i, math.min(i + 3999, to)))
  end
end
