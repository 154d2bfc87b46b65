-- How the store stands. The prologue has done what there was to do.
local session = take()
if session ~= '' and not is_alive(session) then return answer('LOST') end
return answer('OK')
