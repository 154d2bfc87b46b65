-- Deletes incarnations that the session created and that nobody was told of.
local session = take()
if not is_alive(session) then return answer('LOST') end
local changes = {}
local entries = {}
for at = 1, tonumber(take()) do
    local key, created = take(), take()
    local entry = call('HGET', ENTRIES, key)
    if entry and sub(entry, 1, 16) == created then entries[#entries + 1] = {key, entry} end
end
if #entries > 0 then
    advance()
    for at, pair in ipairs(entries) do changes[at] = delete(pair[1], pair[2]) end
    log(table.concat(changes))
end
return answer('OK')
