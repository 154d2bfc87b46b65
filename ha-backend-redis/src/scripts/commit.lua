-- A transaction: all guards, then all operations, then what is read back.
local session, epoch, slot, operation, is_granting, asked = take(), take(), take(), take(), take() == '1', take()
if not is_alive(session) then return answer('LOST') end
local row = call('HGET', SESSIONS, session)
if sub(row, 1, 16) ~= epoch then return answer('FENCED', tonumber(sub(row, 1, 16))) end
-- Its guards do not tell: what they ask for may have been brought back.
if asked ~= NEVER and asked < generation then return answer('OLDER') end
if is_granting and is_holding then return answer('HELD') end

local found = {}
local function stored(key)
    if found[key] == nil then found[key] = call('HGET', ENTRIES, key) end
    return found[key]
end
local GUARDS = {
    absent = function(entry) return not entry end,
    present = function(entry) return entry end,
    held = function(entry, created) return entry and sub(entry, 1, 16) == created end,
    unchanged = function(entry, created, modified)
        return entry and sub(entry, 1, 32) == created .. modified
    end,
}
local failed = {}
for at = 1, tonumber(take()) do
    local kind, key, created, modified = take(), take(), take(), take()
    if not GUARDS[kind](stored(key), created, modified) then failed[#failed + 1] = at - 1 end
end
if #failed > 0 then return answer('CONFLICT', failed) end

local count = tonumber(take())
if count > 0 then
    local written = advance()
    local changes = {}
    for at = 1, count do
        local kind, key, value = take(), take(), take()
        if kind == 'delete' then
            changes[at] = delete(key, found[key])
        else
            local entry
            if kind == 'update' then
                entry = sub(found[key], 1, 16) .. written .. sub(found[key], 33, 56) .. value
                call('HSET', ENTRIES, key, entry)
            else
                local place = place_of(key)
                entry = written .. written .. (kind == 'own' and session or NOBODY) .. value
                call('HSET', ENTRIES, key, entry)
                call('ZADD', NAMES, 0, key)
                call('ZADD', AGES, 0, place .. written .. sub(key, #place + 1))
                if kind == 'own' then call('ZADD', OWNED, 0, session .. key) end
            end
            if #value > LOGGED_BYTES then
                changes[at] = string.format('R%04d', #key) .. key
            else
                changes[at] = string.format('P%04d%05d', #key, #entry) .. key .. entry
            end
        end
    end
    local trace = '\0' .. session .. slot
    if call('HSET', ENTRIES, trace, operation .. written) == 1 then
        call('ZADD', OWNED, 0, session .. trace)
    end
    log(table.concat(changes))
end
local pages = {}
for at = 1, tonumber(take()) do
    pages[at] = read(take(), take(), take(), tonumber(take()))
end
return answer('OK', pages)
