-- The beginning of every script: it is refused by anybody but a primary, finds out whether the history of the store still is the one
-- that it was, and ends the sessions whose time is up. The keys are the same eight for all scripts (see `keys.rs`).
--
-- A script checks everything before it writes anything: Redis rolls nothing back. What Redis itself refuses (no memory, read only, too
-- few replicas) it refuses at the first write. Where memory is lacking it refuses only what may take more: so what has to work then, such
-- as a renewal, begins by deleting what it writes anew. Revisions and times in microseconds are texts of 16 digits, which compare like numbers.
local META, DEADLINES, SESSIONS, ENTRIES, NAMES, AGES, OWNED, LOG =
    KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local NEVER = '0000000000000000'
local NOBODY = '------------------------'
-- Longer values are not in the log: who watches their entry reads it.
local LOGGED_BYTES = 4096
-- So many records of the log are kept, and some more.
local LOGGED_RECORDS = 10000
-- After so many deletions a script leaves further sessions whose time is up to the next one.
local REAPED_MAX = 512

local call, sub = redis.call, string.sub
local taken = 0
local function take()
    taken = taken + 1
    return ARGV[taken]
end
local function digits(number) return string.format('%016.0f', number) end

local format, known_generation, known_revision = take(), take(), take()
local hold, trusts_first_use = tonumber(take()), take() == '1'

local replication = call('INFO', 'replication')
if not string.find(replication, 'role:master', 1, true) then
    return redis.error_reply('NOTMASTER this server is not the primary')
end
local lineage = string.match(replication, 'master_replid:(%w+)') or ''
local time = call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local meta = call('HMGET', META, 'format', 'revision', 'generation', 'grace', 'lineage', 'run', 'ttl')
if meta[1] and meta[1] ~= format then
    return redis.error_reply('LAYOUT ' .. meta[1])
end
local revision = tonumber(meta[2] or NEVER)
local generation, grace, longest = meta[3] or NEVER, tonumber(meta[4] or 0), tonumber(meta[7] or 0)

-- Begins the next revision and returns it as text.
local before
local function advance()
    before = digits(revision)
    revision = math.max(revision + 1, now)
    return digits(revision)
end

-- Logs what the revision begun last did.
local function log(changes)
    call('XADD', LOG, 'MAXLEN', '~', LOGGED_RECORDS, digits(revision) .. '-0', 'p', before, 'x', changes)
    call('HSET', META, 'revision', digits(revision))
end

-- Nobody knows what was forgotten: until `ends` nothing is granted and no session ends by its deadline.
local function begin_history(run, ends)
    generation = advance()
    grace = ends
    call('HDEL', META, 'grace')
    call('HSET', META, 'format', format, 'generation', generation, 'grace', digits(ends), 'lineage', lineage,
        'run', run, 'ttl', digits(longest))
    log('G')
end

if not meta[1] or lineage ~= meta[5] or known_generation > generation or known_revision > meta[2] then
    local server = call('INFO', 'server')
    local run = string.match(server, 'run_id:(%w+)') or ''
    local uptime = tonumber(string.match(server, 'uptime_in_seconds:(%d+)') or 0)
    local has_followed = string.match(replication, 'master_replid2:(%w+)') ~= string.rep('0', 40)
    local is_continued = meta[1] and known_generation <= generation and known_revision <= meta[2]
    longest = math.max(longest, hold)
    -- What this process has seen of the history is never given out again.
    revision = math.max(revision, tonumber(known_revision), tonumber(known_generation))
    if not meta[1] then
        -- Used for the first time, or emptied. The rest of a namespace without its head has no meaning.
        call('DEL', DEADLINES, SESSIONS, ENTRIES, NAMES, AGES, OWNED, LOG)
        local is_first = trusts_first_use and known_generation == NEVER
        begin_history(run, is_first and 0 or now + longest)
    elseif is_continued and run == meta[6] and not has_followed then
        -- The first replica has come, or the last one is long gone: the server took another name for the same history.
        call('HSET', META, 'lineage', lineage)
    elseif is_continued and run ~= meta[6] and not has_followed then
        -- Restarted: a renewal that is forgotten was answered before the start.
        begin_history(run, now - uptime * 1000000 + longest)
    else
        begin_history(run, now + longest)
    end
end
if grace > now + math.max(longest, hold) then
    -- The clock was set back: nobody believes in a forgotten grant for longer than this.
    grace = now + math.max(longest, hold)
    call('HDEL', META, 'grace')
    call('HSET', META, 'grace', digits(grace))
end
local is_holding = now < grace

-- The part of a key that names its collection: a number of segments, then each with its length.
local function place_of(key)
    local at = 2
    for _ = 1, string.byte(key, 1) do at = at + 1 + string.byte(key, at) end
    return sub(key, 1, at - 1)
end

-- Deletes the entry at `key`, as it was read. Returns what the log says about it.
local function delete(key, entry)
    local place, created, owner = place_of(key), sub(entry, 1, 16), sub(entry, 33, 56)
    call('HDEL', ENTRIES, key)
    call('ZREM', NAMES, key)
    call('ZREM', AGES, place .. created .. sub(key, #place + 1))
    if owner ~= NOBODY then call('ZREM', OWNED, owner .. key) end
    return string.format('D%04d', #key) .. key .. created
end

-- Ends a session. Returns how much it owned; nothing of a session that is not there. Begins with a deletion, which is possible
-- also without memory.
local function finish(session)
    if call('ZREM', DEADLINES, session) == 0 then return 0 end
    call('HDEL', SESSIONS, session)
    local owned = call('ZRANGEBYLEX', OWNED, '[' .. session, '(' .. session .. '\255')
    local changes = {}
    for _, member in ipairs(owned) do
        local key = sub(member, 25)
        local entry = string.byte(key, 1) > 0 and call('HGET', ENTRIES, key)
        if entry then
            changes[#changes + 1] = delete(key, entry)
        else
            -- A slot, where an operation of the session stands.
            call('HDEL', ENTRIES, key)
            call('ZREM', OWNED, member)
        end
    end
    if #changes > 0 then
        advance()
        -- First: whoever had it is told that it is over, not that somebody deleted what it owned.
        log('E' .. session .. table.concat(changes))
    end
    return #owned
end

local function is_alive(session)
    local deadline = call('ZSCORE', DEADLINES, session)
    return deadline and (is_holding or tonumber(deadline) > now)
end

if not is_holding then
    local budget = REAPED_MAX
    while budget > 0 do
        local over = call('ZRANGEBYSCORE', DEADLINES, '-inf', digits(now), 'LIMIT', 0, 1)
        if not over[1] then break end
        budget = budget - 1 - finish(over[1])
    end
end

-- The answer of every script: how it ended, the history, for how long nothing is granted, the revision, in how long the next session
-- ends if it is not renewed (or -1), and what is particular.
local function answer(status, ...)
    local next_over = -1
    local first = call('ZRANGE', DEADLINES, 0, 0, 'WITHSCORES')
    if first[2] then next_over = math.max(tonumber(first[2]), grace) - now end
    return {status, tonumber(generation), math.max(grace - now, 0), revision, math.max(next_over, -1), ...}
end

-- Reads a page of entries: whether there are more, and then for each its name and what is stored.
local function read(order, place, bound, limit)
    if order == 'key' then
        local entry = call('HGET', ENTRIES, place .. bound)
        return entry and {0, bound, entry} or {0}
    end
    local first, last = '[' .. place, '(' .. place .. '\255'
    local members
    local skipped = #place
    if order == 'name' then
        if bound ~= '' then first = '(' .. place .. bound end
        members = call('ZRANGEBYLEX', NAMES, first, last, 'LIMIT', 0, limit + 1)
    else
        skipped = skipped + 16
        if order == 'oldest' then
            members = call('ZRANGEBYLEX', AGES, first, last, 'LIMIT', 0, limit + 1)
        else
            if bound ~= '' then last = '(' .. place .. bound .. '\255' end
            members = call('ZREVRANGEBYLEX', AGES, last, first, 'LIMIT', 0, limit + 1)
        end
    end
    local has_more = #members > limit
    if has_more then members[#members] = nil end
    local page = {has_more and 1 or 0}
    local unpack = unpack or table.unpack
    -- Lua cannot pass any number of arguments.
    for start = 1, #members, 1000 do
        local names, keys = {}, {}
        for at = start, math.min(start + 999, #members) do
            names[#names + 1] = sub(members[at], skipped + 1)
            keys[#keys + 1] = place .. names[#names]
        end
        local entries = call('HMGET', ENTRIES, unpack(keys))
        for at, name in ipairs(names) do
            page[#page + 1] = name
            page[#page + 1] = entries[at]
        end
    end
    return page
end
