"""The active store on Redis or Valkey: one Lua script an operation, one pipelined connection a node."""
