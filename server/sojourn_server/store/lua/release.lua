#!lua flags=allow-oom
-- Gives back a slot of a scope, or a place in its queue; a free slot goes to the next. Allowed when memory is full: it
-- frees some.
--
-- KEYS   scope turns waiting free lease
-- ARGV   path, holder, pool 0|1, limit (0 = none; of a pool its size counts), lapsed 0|1 (1 = only when its lease ran out)
-- RESULT {path, {holders that got a slot, ...}}
-- EVENTS none
--@include scope
local granted = {}
if lapsed == '1' and runs then return {path, granted} end
if record then
  --@include scope_vacate
end
--@include scope_grant
--@include scope_keep
return {path, granted}
