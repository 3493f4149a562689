#!lua flags=allow-oom
-- Notes that sessions may be in another tier, or that the filter knows all that are. At most a few kilobytes grow.
--
-- KEYS   elsewhere
-- ARGV   name, then places in the filter; 131072 says that it knows every session of the catalog
-- RESULT {name}
-- EVENTS none
for i = NARGS + 1, #ARGV do redis.call('SETBIT', elsewhere, ARGV[i], 1) end
return {name}
