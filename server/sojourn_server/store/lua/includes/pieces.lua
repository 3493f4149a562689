-- unpack() is limited by Lua's stack: go in pieces.
local function in_pieces(command, from, to)
  for i = from, to, 4000 do
    redis.call(command, head, unpack(ARGV, i, math.min(i + 3999, to)))
  end
end
