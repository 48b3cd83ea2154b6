-- Asks Cardea whether a request may pass (GET /auth/verify), for docs/proxies/haproxy.cfg. It uses haproxy's own client, which blocks
-- nobody: haproxy 2.6 or newer with Lua, as Debian has it, and nothing else to install.

local cardea = "127.0.0.1:3000"
local longest_wait_ms = 5000

-- Who asks, and from which page; nothing else of the client's goes along.
local who = { "host", "authorization", "cookie", "origin", "sec-fetch-site" }

-- What the service hears about who asks. Each is written anew, or is not there.
local identity = { "x-auth-subject", "x-auth-session", "x-auth-roles", "x-auth-scope", "x-auth-assertion" }

local function first(values)
  return values and values[0]
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

local function question_about(txn, received)
  local fields = {
    ["x-original-uri"] = { txn.sf:pathq() },
    ["x-original-method"] = { txn.sf:method() },
    ["x-forwarded-for"] = { txn.sf:src() },
    ["x-forwarded-host"] = { first(received["host"]) or "" },
    ["x-forwarded-proto"] = { txn.sf:ssl_fc() == "1" and "https" or "http" },
  }
  for _, name in ipairs(who) do
    local values = {}
    for i = 0, #(received[name] or {}) do
      values[#values + 1] = received[name] and received[name][i]
    end
    if #values > 0 then fields[name] = values end
  end
  return fields
end

-- Ends the request here. Whatever is neither yes nor no is "cannot tell now".
local function refuse(txn, response)
  local reply = txn:reply()
  local status = response and response.status
  if status == 401 or status == 403 then
    reply:set_status(status)
    for _, name in ipairs({ "www-authenticate", "content-type" }) do
      local value = first(response.headers[name])
      if value then reply:add_header(name, value) end
    end
    reply:set_body(response.body)
  else
    reply:set_status(503)
    reply:add_header("retry-after", response and response.headers and first(response.headers["retry-after"]) or "1")
    reply:add_header("content-type", "application/problem+json")
    reply:set_body('{"type":"about:blank","title":"Whether this request may pass cannot be told now.","status":503}')
  end
  reply:add_header("cache-control", "no-store")
  txn:done(reply)
end

core.register_action("ask_cardea", { "http-req" }, function(txn)
  local received = txn.http:req_get_headers()
  local response = core.httpclient():get {
    url = "http://" .. cardea .. "/auth/verify",
    headers = question_about(txn, received),
    timeout = longest_wait_ms,
  }
  if not response or response.status ~= 200 then return refuse(txn, response) end
  for _, name in ipairs(identity) do
    local value = first(response.headers[name])
    txn.http:req_del_header(name)
    if value and value ~= "" then txn.http:req_set_header(name, value) end
  end
  local cookies = {}
  for i = 0, #(received["cookie"] or {}) do
    local text = received["cookie"] and without_own_cookies(received["cookie"][i]) or ""
    if text ~= "" then cookies[#cookies + 1] = text end
  end
  txn.http:req_del_header("cookie")
  if #cookies > 0 then txn.http:req_set_header("cookie", table.concat(cookies, "; ")) end
end)
