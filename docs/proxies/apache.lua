-- Asks Cardea whether a request may pass (GET /auth/verify), for docs/proxies/apache.conf. It needs mod_lua, which Debian's apache2 has,
-- and the package lua-socket. A thread of Apache's waits while it asks.
local http = require("socket.http")

local cardea = "http://127.0.0.1:3000/auth/verify"
local longest_wait_seconds = 5

-- Who asks, and from which page; nothing else of the client's goes along.
local who = { "Host", "Authorization", "Cookie", "Origin", "Sec-Fetch-Site" }

-- What the service hears about who asks. Each is written anew, or is not there.
local identity = { "X-Auth-Subject", "X-Auth-Session", "X-Auth-Roles", "X-Auth-Scope", "X-Auth-Assertion" }

-- Fields of a client that never pass. Those of its place are written by mod_proxy; from the last ones some frameworks take
-- another method or path than the one that was checked.
local function is_ours(name)
  -- Names with other characters are nothing a client needs, and to some services every one of them is a `-`: x_auth_roles.
  if name:find("[^a-z0-9-]") then return true end
  for _, start in ipairs({
    "x-auth-", "x-forwarded", "proxy", "x-original-", "x-rewrite-", "x-http-method", "x-method",
  }) do
    if name:sub(1, #start) == start then return true end
  end
  return name == "authorization" or name == "forwarded" or name == "x-real-ip" or name == "x-client-ip"
    or name == "x-cluster-client-ip"
end

-- The refresh token and the access token are nobody's business but Cardea's.
local function without_own_cookies(text)
  local kept = {}
  for cookie in text:gmatch("[^;]+") do
    if not cookie:lower():find("__host-cardea", 1, true) then
      kept[#kept + 1] = cookie:match("^%s*(.-)%s*$")
    end
  end
  return table.concat(kept, "; ")
end

local function ask(r)
  local fields = {
    ["x-original-uri"] = r.unparsed_uri,
    ["x-original-method"] = r.method,
    ["x-forwarded-for"] = r.useragent_ip,
    ["x-forwarded-host"] = r.headers_in["Host"],
    ["x-forwarded-proto"] = r.is_https and "https" or "http",
  }
  for _, name in ipairs(who) do fields[name:lower()] = r.headers_in[name] end
  local body = {}
  local _, status, received = http.request {
    url = cardea,
    headers = fields,
    sink = function(part)
      body[#body + 1] = part
      return 1
    end,
    create = function()
      local connection = require("socket").tcp()
      connection:settimeout(longest_wait_seconds)
      return connection
    end,
  }
  return status, received or {}, table.concat(body)
end

-- Whatever is neither yes nor no is "cannot tell now".
local function refuse(r, status, received, body)
  if status ~= 401 and status ~= 403 then
    r.err_headers_out["Retry-After"] = received["retry-after"] or "1"
    status = 503
    body = '{"type":"about:blank","title":"Whether this request may pass cannot be told now.","status":503}'
  end
  if received["www-authenticate"] then r.err_headers_out["WWW-Authenticate"] = received["www-authenticate"] end
  r.err_headers_out["Cache-Control"] = "no-store"
  r.status = status
  r.content_type = "application/problem+json"
  r:puts(body)
  return apache2.DONE
end

function ask_cardea(r)
  local status, received, body = ask(r)
  if status ~= 200 then return refuse(r, status, received, body) end
  for name in pairs(r:headers_in_table()) do
    if is_ours(name:lower()) then r.headers_in[name] = nil end
  end
  for _, name in ipairs(identity) do
    local value = received[name:lower()]
    r.headers_in[name] = value ~= "" and value or nil
  end
  local cookies = without_own_cookies(r.headers_in["Cookie"] or "")
  r.headers_in["Cookie"] = cookies ~= "" and cookies or nil
  -- A client cannot have mod_proxy drop a field as one of the connection.
  local options = {}
  if (r.headers_in["Connection"] or ""):lower():find("close", 1, true) then options[1] = "close" end
  if r.headers_in["Upgrade"] then options[#options + 1] = "Upgrade" end
  r.headers_in["Connection"] = #options > 0 and table.concat(options, ", ") or nil
  return apache2.OK
end
