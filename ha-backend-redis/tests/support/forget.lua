-- A server that goes back to what was kept of a namespace, and notices: behind this comes the beginning of every script, with what the namespace was told last as what the caller knows. Keys: the
-- eight of the namespace, then those of the copies. Arguments: those of that beginning, of which the first three are found here.
for at, name in ipairs({'format', 'generation', 'revision'}) do
    ARGV[at] = redis.call('HGET', KEYS[1], name)
end
-- One commit more was acknowledged, and is forgotten in any case.
ARGV[3] = string.format('%016.0f', tonumber(ARGV[3]) + 1)
for at = 1, 8 do
    redis.call('DEL', KEYS[at])
    redis.call('COPY', KEYS[at + 8], KEYS[at])
end
