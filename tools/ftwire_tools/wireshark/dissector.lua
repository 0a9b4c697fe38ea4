-- Shows the wire protocol of OpenD, the gateway of the Futu and moomoo trading APIs, on TCP and in WebSocket.
--
-- For Wireshark 4.0 (Lua 5.2) and later (Lua 5.4). Bodies go to Wireshark's protobuf dissector, which needs the .proto
-- files on its search path, and to its JSON dissector. Encrypted bodies are opened with the session keys that
-- "ftwire wireshark keylog" writes, from Wireshark 4.6 on: earlier ones have no cipher in Lua.

-- Protocol ID -> { name, request message (nil for a push), response or push message, true if in WebSocket only }
local PROTOCOLS = {}

local HEADER = 44 -- bytes in front of a body on TCP, little-endian
local CLIENT_ENVELOPE, SERVER_ENVELOPE = 20, 44 -- the same in a WebSocket message, big-endian
local MAGIC, ENVELOPE_MAGIC = "FT", "ft-v1.0\0"
local INIT_CONNECT = 1001
local DISCONNECTED = 2 -- the WebSocket command that is a push
local JSON = 1
local BLOCK = 16 -- of AES
local RSA_BLOCK = 128 -- of the smallest key, 1024 bits
local NANO = 1000000000

local opend = Proto("opend", "OpenD")

local NAMES = {}
for id, protocol in pairs(PROTOCOLS) do
  NAMES[id] = protocol[1]
end

local fields = {
  proto_id = ProtoField.uint32("opend.proto_id", "Protocol", base.DEC, NAMES),
  proto = ProtoField.string("opend.proto", "Protocol name"),
  kind = ProtoField.string("opend.kind", "Kind"),
  format = ProtoField.uint8("opend.format", "Body format", base.DEC, { [0] = "protobuf", [1] = "JSON" }),
  version = ProtoField.uint8("opend.version", "Version"),
  serial = ProtoField.uint64("opend.serial", "Serial"),
  body_length = ProtoField.uint32("opend.body_length", "Body length"),
  sha1 = ProtoField.bytes("opend.sha1", "SHA-1"),
  reserved = ProtoField.bytes("opend.reserved", "Reserved"),
  sha1_ok = ProtoField.bool("opend.sha1_ok", "SHA-1 agrees"),
  encryption = ProtoField.string("opend.encryption", "Encryption"),
  request_in = ProtoField.framenum("opend.request_in", "Request in", base.NONE, frametype.REQUEST),
  response_in = ProtoField.framenum("opend.response_in", "Response in", base.NONE, frametype.RESPONSE),
  latency = ProtoField.relative_time("opend.latency", "Time since the request"),
  error_code = ProtoField.int32("opend.error_code", "Error code", base.DEC,
    { [0] = "OK", [1] = "timeout", [2] = "timeout of OpenD", [3] = "disconnected" }),
  error_text = ProtoField.string("opend.error_text", "Error text"),
  body = ProtoField.bytes("opend.body", "Body"),
  undecoded = ProtoField.bytes("opend.undecoded", "Bytes in no frame"),
}
opend.fields = fields

local function expert_field(name, text, group, severity)
  return ProtoExpert.new("opend.expert." .. name, text, group, severity)
end

local experts = {
  digest = expert_field("digest", "SHA-1 does not agree with the body", expert.group.CHECKSUM, expert.severity.ERROR),
  undecoded = expert_field("undecoded", "Bytes in no frame", expert.group.MALFORMED, expert.severity.ERROR),
  cut = expert_field("cut", "Frame is cut short", expert.group.MALFORMED, expert.severity.ERROR),
  body = expert_field("body", "Body cannot be read", expert.group.MALFORMED, expert.severity.ERROR),
  header = expert_field("header", "Unusual header", expert.group.PROTOCOL, expert.severity.WARN),
  unknown = expert_field("unknown", "Unknown protocol", expert.group.UNDECODED, expert.severity.NOTE),
  encrypted = expert_field("encrypted", "Encrypted", expert.group.DECRYPTION, expert.severity.NOTE),
  unpaired = expert_field("unpaired", "No request was captured", expert.group.SEQUENCE, expert.severity.CHAT),
}
opend.experts = {
  experts.digest, experts.undecoded, experts.cut, experts.body, experts.header, experts.unknown, experts.encrypted,
  experts.unpaired,
}

local DEFAULT_KEYS = Dir.personal_config_path("opend_keys.log")
opend.prefs.check_sha1 = Pref.bool("Check SHA-1 of bodies", true,
  "Takes 15 us for every 64 bytes of a body in Wireshark 4.0, 5 us in later ones. Without it, damaged bodies look sound.")
opend.prefs.keylog_file = Pref.string("Session keys", "",
  "The file that \"ftwire wireshark keylog\" wrote; by default " .. DEFAULT_KEYS)
opend.prefs.max_body = Pref.uint("Largest body (MiB)", 64, "A header that announces a longer one is none.")
opend.prefs.port = Pref.uint("Port of OpenD", 11111,
  "Only a hint, where nothing else shows which side is the client. Frames are recognised on any port.")

-- SHA-1 (RFC 3174) -----------------------------------------------------------------------------------------------

-- The function for one block is made as source text, with its 80 rounds written out, which is faster than a loop over
-- tables; and in one of two dialects: bit operations are functions of bit32 in Lua 5.2, operators from 5.3 on. bit32
-- takes its arguments modulo 2^32, so sums need no mask there.
local DIALECT = math.type and {
  extend = "do local x = $3 ~ $8 ~ $14 ~ $16 $16 = (x << 1 | x >> 31) & 0xffffffff end",
  choose = "($d ~ ($b & ($c ~ $d)))",
  parity = "($b ~ $c ~ $d)",
  majority = "(($b & $c) + ($d & ($b ~ $c)))",
  round = "$e = ($e + ($a << 5 | $a >> 27) + $f + $k + $w) & 0xffffffff $b = ($b << 30 | $b >> 2) & 0xffffffff",
} or {
  extend = "$16 = rotate(xor($3, $8, $14, $16), 1)",
  choose = "xor($d, both($b, xor($c, $d)))",
  parity = "xor($b, $c, $d)",
  majority = "both($b, $c) + both($d, xor($b, $c))",
  round = "$e = $e + rotate($a, 5) + $f + $k + $w $b = rotate($b, 30)",
}

local function make_compress()
  local words = {}
  for at = 0, 15 do
    words[at + 1] = "w" .. at
  end
  local words_text = table.concat(words, ", ")
  local lines = {
    "local unpack, rotate, xor, both = ...",
    "return function(text, at, h0, h1, h2, h3, h4)",
    "local " .. words_text .. " = unpack('>" .. ("I4"):rep(16) .. "', text, at)",
    "local a, b, c, d, e = h0, h1, h2, h3, h4",
  }
  local mixes = { DIALECT.choose, DIALECT.parity, DIALECT.majority, DIALECT.parity }
  local constants = { "0x5a827999", "0x6ed9eba1", "0x8f1bbcdc", "0xca62c1d6" }
  local a, b, c, d, e = "a", "b", "c", "d", "e"
  for round = 0, 79 do
    if round > 15 then
      -- The words 3, 8, 14 and 16 rounds ago make the next, in the place of the last of them.
      lines[#lines + 1] = DIALECT.extend:gsub("%$(%d+)", function(ago)
        return "w" .. (round - tonumber(ago)) % 16
      end)
    end
    local phase = math.floor(round / 20) + 1
    local names = { a = a, b = b, c = c, d = d, e = e, k = constants[phase], w = "w" .. round % 16 }
    names.f = mixes[phase]:gsub("%$(%l)", names)
    lines[#lines + 1] = DIALECT.round:gsub("%$(%l)", names)
    a, b, c, d, e = e, a, b, c, d -- instead of moving the values
  end
  lines[#lines + 1] = "return (h0 + a) % 0x100000000, (h1 + b) % 0x100000000, (h2 + c) % 0x100000000, "
    .. "(h3 + d) % 0x100000000, (h4 + e) % 0x100000000 end"
  local functions = bit32 or {}
  local compiled = assert(load(table.concat(lines, "\n"), "sha1"))
  return compiled(string.unpack or Struct.unpack, functions.lrotate, functions.bxor, functions.band)
end

local compress = make_compress()
local pack = string.pack or Struct.pack

local function sha1(text)
  local bits = #text * 8
  local padded = text .. "\128" .. ("\0"):rep((55 - #text) % 64)
    .. pack(">I4I4", math.floor(bits / 4294967296), bits % 4294967296)
  local a, b, c, d, e = 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0
  for at = 1, #padded, 64 do
    a, b, c, d, e = compress(padded, at, a, b, c, d, e)
  end
  return pack(">I4I4I4I4I4", a, b, c, d, e)
end

-- Session keys -----------------------------------------------------------------------------------------------------

local sessions = {} -- SHA-1 of an InitConnect reply -> list of { name, key, iv }
local plain_bodies = {} -- SHA-1 -> body of an InitConnect frame, which RSA encrypted
local keys_problem -- why the file cannot be read

local function unhex(text)
  return (text:gsub("%x%x", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

local function read_keys()
  sessions, plain_bodies, keys_problem = {}, {}, nil
  local path = opend.prefs.keylog_file ~= "" and opend.prefs.keylog_file or DEFAULT_KEYS
  local file, problem = io.open(path, "r")
  if not file then
    keys_problem = problem
    return
  end
  for line in file:lines() do
    local digest, name, key, iv = line:match("^SESSION (%x+) ([%l_]+) (%x+) ([%x-]+)%s*$")
    if digest and #key == 2 * BLOCK then
      digest = unhex(digest)
      sessions[digest] = sessions[digest] or {}
      table.insert(sessions[digest], { name = name, key = unhex(key), iv = iv ~= "-" and unhex(iv) or nil })
    end
    local body_digest, body = line:match("^BODY (%x+) (%x+)%s*$")
    if body_digest then
      plain_bodies[unhex(body_digest)] = unhex(body)
    end
  end
  file:close()
end

local function decrypt_blocks(session, blocks)
  if #blocks == 0 then
    return ""
  end
  if not session.handle then
    local mode = session.name == "aes_cbc" and GCRY_CIPHER_MODE_CBC or GCRY_CIPHER_MODE_ECB
    session.handle = GcryptCipher.open(GCRY_CIPHER_AES, mode, 0)
    session.handle:setkey(ByteArray.new(session.key, true))
  end
  if session.name == "aes_cbc" then
    session.handle:setiv(ByteArray.new(session.iv, true)) -- the same for every frame
  end
  return session.handle:decrypt(nil, ByteArray.new(blocks, true)):raw()
end

-- Return the body of an encrypted payload, or nil where it cannot be one. Ciphers: see ftwire's cipher.py.
local function decrypt(session, payload)
  if #payload == 0 or #payload % BLOCK ~= 0 then
    return nil
  end
  if session.name == "ftaes_ecb" then
    -- Padded with zeros; the last block is plain, and its last byte is the length modulo 16.
    local over = payload:byte(-1)
    if over >= BLOCK or (over > 0 and #payload == BLOCK) then
      return nil
    end
    local padded = decrypt_blocks(session, payload:sub(1, -BLOCK - 1))
    return over == 0 and padded or padded:sub(1, #padded - BLOCK + over)
  end
  local padded = decrypt_blocks(session, payload)
  local count = padded:byte(-1)
  if count < 1 or count > BLOCK or padded:sub(-count) ~= string.char(count):rep(count) then
    return nil
  end
  return padded:sub(1, -count - 1)
end

-- What is remembered of a capture ----------------------------------------------------------------------------------

-- Wireshark dissects packets in their order once, and then again in any order (pinfo.visited): what depends on earlier
-- packets is found out the first time and kept. A frame is known by its packet's number and its place in it.
local streams -- tcp.stream -> what is known of a conversation
local links -- packet -> place -> { request packet, nanoseconds } of a response, or { nil, nil, response packet }
local outcomes -- packet -> place -> { encryption, whether SHA-1 agrees } of a frame that is not plain and sound

function opend.init()
  streams, links, outcomes = {}, {}, {}
  read_keys()
end

local function remember(memory, packet, place, value)
  memory[packet] = memory[packet] or {}
  memory[packet][place] = value
end

local function recall(memory, packet, place)
  return memory[packet] and memory[packet][place]
end

local tcp_stream = Field.new("tcp.stream")
local websocket_mask = Field.new("websocket.mask")

-- Return the value of the innermost field of that name.
local function last_value(field)
  local found = { field() }
  return #found > 0 and found[#found].value or nil
end

local function conversation(pinfo)
  local number = last_value(tcp_stream) or -1
  local stream = streams[number]
  if not stream then
    stream = { pending = {} }
    streams[number] = stream
  end
  return stream
end

-- Return a name for each end of the packet that differs between the two.
local function ends(pinfo)
  local from, to = pinfo.src_port, pinfo.dst_port
  if from == to then
    return tostring(pinfo.src), tostring(pinfo.dst)
  end
  return from, to
end

-- Count the frames of a packet: Wireshark may call a dissector several times for one.
local function next_place(pinfo)
  local place = (tonumber(pinfo.private["opend_place"]) or 0) + 1
  pinfo.private["opend_place"] = string.format("%d", place)
  return place
end

-- Frames -----------------------------------------------------------------------------------------------------------

-- Return "client" or "server" if the content shows which side sends it, else nil.
local function sender_by_content(frame)
  local protocol = frame.protocol
  if protocol and not protocol[2] then
    return "server" -- pushes have no request
  end
  if not frame.sha1_ok or not frame.body then
    return nil
  end
  if frame.format == JSON then
    return frame.body:find('"c2s"', 1, true) and "client" or frame.body:find('"retType"', 1, true) and "server" or nil
  end
  -- A request begins with c2s (field 1, a message), a response with retType (field 1, a number).
  local first = frame.body:byte(1)
  return first == 0x0a and "client" or first == 0x08 and "server" or nil
end

local function is_from_client(stream, frame, pinfo)
  local from, to = ends(pinfo)
  if not stream.client or stream.guessed then
    local sender = sender_by_content(frame)
    if sender then
      stream.client, stream.guessed = sender == "client" and from or to, false
    elseif not stream.client then
      -- The port decides, or else who is captured first.
      stream.client, stream.guessed = from, true
      if from == opend.prefs.port and to ~= opend.prefs.port then
        stream.client = to
      end
    end
  end
  return from == stream.client
end

-- Return body, encryption and whether SHA-1 agrees; nil for what is unknown.
local function open_payload(stream, frame, pinfo)
  local payload, digest, checks = frame.payload, frame.digest, opend.prefs.check_sha1
  local is_blocks = #payload > 0 and #payload % BLOCK == 0
  if frame.id == INIT_CONNECT then
    -- Always checked: it shows whether the conversation is encrypted.
    stream.has_handshake = true
    if sha1(payload) == digest then
      stream.encrypted = false
      return payload, "none", true
    end
    if not is_blocks or #payload < RSA_BLOCK then
      return payload, "none", false
    end
    stream.encrypted = true
    stream.sessions = sessions[digest] or stream.sessions
    local body = plain_bodies[digest]
    if body and sha1(body) == digest then
      return body, "rsa", true
    end
    return nil, "unknown", nil
  end
  if stream.encrypted then
    for _, session in ipairs(GcryptCipher and stream.sessions or {}) do
      local done, body = pcall(decrypt, session, payload)
      if done and body and (not checks or sha1(body) == digest) then
        return body, session.name, checks or nil
      end
    end
    if checks and sha1(payload) == digest then
      return payload, "none", true -- the other side does not encrypt
    end
    return nil, "unknown", nil
  end
  if not checks then
    return payload, "none", nil
  end
  local outcome = pinfo.visited and (recall(outcomes, pinfo.number, frame.place) or { "none", true }) or nil
  if not outcome then
    if sha1(payload) == digest then
      outcome = { "none", true }
    elseif is_blocks and not stream.has_handshake then
      outcome = { "unknown", nil }
    else
      outcome = { "none", false }
    end
  end
  return outcome[1] == "none" and payload or nil, outcome[1], outcome[2]
end

local function why_encrypted(stream)
  if not GcryptCipher then
    return "Encrypted: Wireshark decrypts from 4.6 on; this one has no cipher in Lua"
  end
  if stream.sessions then
    return "Encrypted, and no session key opens it"
  end
  return "Encrypted, without its session key: ftwire wireshark keylog --key rsa.pem CAPTURE"
    .. (keys_problem and " (" .. keys_problem .. ")" or "")
end

local protobuf_dissector = Dissector.get("protobuf")
local json_dissector = Dissector.get("json")

-- Hand a body to Wireshark's own dissector of its format.
local function show_body(frame, range, pinfo, tree, item)
  if frame.body == nil or #frame.body == 0 then
    if range then
      item:add(fields.body, range)
    end
    return
  end
  local tvb
  if frame.encryption == "none" then
    tvb = range:tvb()
  else
    tvb = ByteArray.new(frame.body, true):tvb("Decrypted body")
  end
  local message = frame.protocol and frame.protocol[frame.kind == "request" and 2 or 3]
  local dissector
  if frame.format == JSON then
    dissector = json_dissector
  elseif frame.format == 0 and message then
    dissector = protobuf_dissector
    pinfo.private["pb_msg_type"] = "message," .. message
  end
  if not dissector then
    item:add(fields.body, tvb())
    return
  end
  local done, problem = pcall(dissector.call, dissector, tvb, pinfo, tree)
  -- What these dissectors put into the columns takes more place than it says.
  pinfo.cols.protocol = "OpenD"
  pinfo.cols.info = pinfo.private["opend_info"]
  if not done then
    item:add_proto_expert_info(experts.body, "Body cannot be read: " .. tostring(problem))
  end
end

-- Find out which kind of frame it is, and which request a response answers.
local function relate(stream, frame, pinfo)
  if frame.from_client then
    frame.kind = "request"
  elseif frame.protocol and not frame.protocol[2] or frame.websocket and frame.id == DISCONNECTED then
    frame.kind = "push"
  else
    frame.kind = "response"
  end
  local key = string.format("%d:%s", frame.id, frame.serial)
  if not pinfo.visited then
    if frame.kind == "request" then
      stream.pending[key] = { pinfo.number, frame.place, pinfo.rel_ts }
    elseif frame.kind == "response" then
      local request = stream.pending[key]
      if request then
        stream.pending[key] = nil
        local latency = math.floor((pinfo.rel_ts - request[3]) * NANO + 0.5)
        remember(links, pinfo.number, frame.place, { request[1], latency })
        remember(links, request[1], request[2], { nil, nil, pinfo.number })
      elseif frame.websocket and not frame.protocol then
        -- The vendor's client takes a serial that it does not wait for as a push.
        remember(links, pinfo.number, frame.place, { nil, nil, nil, true })
      end
    end
  end
  frame.link = recall(links, pinfo.number, frame.place)
  if frame.link and frame.link[4] then
    frame.kind = "push"
  end
end

local function show_frame(stream, frame, pinfo, item)
  local function generated(field, value)
    item:add(field, value):set_generated()
  end
  if frame.protocol then
    generated(fields.proto, frame.protocol[1])
  else
    item:add_proto_expert_info(experts.unknown, string.format("Unknown protocol %d", frame.id))
  end
  generated(fields.kind, frame.kind)
  generated(fields.encryption, frame.encryption)
  if frame.sha1_ok ~= nil and not frame.websocket then
    generated(fields.sha1_ok, frame.sha1_ok)
    if not frame.sha1_ok then
      item:add_proto_expert_info(experts.digest)
    end
  end
  if frame.encryption == "unknown" then
    if not stream.told or stream.told == frame.where then
      stream.told = frame.where -- once for a conversation
      item:add_proto_expert_info(experts.encrypted, why_encrypted(stream))
    end
  end
  local link = frame.link
  if frame.kind == "response" then
    if link and link[1] then
      generated(fields.request_in, link[1])
      local seconds = link[2] < 0 and -math.floor(-link[2] / NANO) or math.floor(link[2] / NANO)
      generated(fields.latency, NSTime.new(seconds, math.floor(link[2] - seconds * NANO)))
    else
      item:add_proto_expert_info(experts.unpaired)
    end
  elseif link and link[3] then
    generated(fields.response_in, link[3])
  end
end

local function name_of(frame)
  return frame.protocol and frame.protocol[1] or string.format("protocol %d", frame.id)
end

-- Put a text into the columns, behind what else is in the packet.
local function show_in_columns(text, pinfo)
  local before = pinfo.private["opend_info"]
  text = before and before .. " | " .. text or text
  pinfo.private["opend_info"] = text
  pinfo.cols.protocol = "OpenD"
  pinfo.cols.info = text
end

-- Put a frame into the columns and into the label of its tree.
local function announce(frame, pinfo, item)
  local text = string.format("%s %s #%s, %d bytes", name_of(frame), frame.kind, frame.serial, frame.length)
  if frame.encryption ~= "none" then
    text = text .. (frame.encryption == "unknown" and ", encrypted" or ", " .. frame.encryption)
  end
  if frame.sha1_ok == false and not frame.websocket then
    text = text .. ", DAMAGED"
  end
  item:set_text("OpenD, " .. text)
  show_in_columns(text, pinfo)
end

-- Complete and show a frame whose header is read: who sent it, what it says, what it answers.
local function complete(stream, frame, range, pinfo, tree, item)
  frame.where = pinfo.number .. ":" .. frame.place
  relate(stream, frame, pinfo)
  show_frame(stream, frame, pinfo, item)
  announce(frame, pinfo, item)
  show_body(frame, range, pinfo, tree, item)
end

local function show_header(tvb, offset, item)
  item:add_le(fields.proto_id, tvb(offset + 2, 4))
  item:add(fields.format, tvb(offset + 6, 1))
  item:add(fields.version, tvb(offset + 7, 1))
  item:add_le(fields.serial, tvb(offset + 8, 4))
  item:add_le(fields.body_length, tvb(offset + 12, 4))
  item:add(fields.sha1, tvb(offset + 16, 20))
  item:add(fields.reserved, tvb(offset + 36, 8))
end

-- TCP --------------------------------------------------------------------------------------------------------------

-- Return whether the bytes of a header that are there could be sent today: a known ID, no unusual value.
local function is_plausible(text, at, size)
  if size < 8 or text:sub(at, at + 1) ~= MAGIC then
    return false
  end
  local a, b, c, d, format, version = text:byte(at + 2, at + 7)
  local protocol = PROTOCOLS[a + b * 256 + c * 65536 + d * 16777216]
  if not protocol or protocol[4] or format > JSON or version ~= 0 then
    return false
  end
  if size >= 16 then
    local e, f, g, h = text:byte(at + 12, at + 15)
    if e + f * 256 + g * 65536 + h * 16777216 > opend.prefs.max_body * 1048576 then
      return false
    end
  end
  local reserved = text:sub(at + 36, at + math.min(size, HEADER) - 1)
  return reserved == ("\0"):rep(#reserved)
end

-- Return where the next header may begin, or the end of the bytes.
local function find_header(text, from)
  local at = text:find(MAGIC, from, true)
  while at do
    if is_plausible(text, at, #text - at + 1) then
      return at
    end
    at = text:find(MAGIC, at + 1, true)
  end
  return #text + 1
end

-- Return the length of the frame at offset; 0 where more bytes are needed for that, nil where there is none.
local function frame_length(tvb, offset, rest)
  if tvb:raw(offset, math.min(rest, 2)) ~= MAGIC:sub(1, rest) then
    return nil
  end
  if rest < HEADER then
    return 0
  end
  local length = tvb(offset + 12, 4):le_uint()
  if length > opend.prefs.max_body * 1048576 then
    return nil
  end
  return HEADER + length
end

local function dissect_frame(stream, tvb, offset, length, pinfo, tree)
  local item = tree:add(opend, tvb(offset, length))
  show_header(tvb, offset, item)
  local id = tvb(offset + 2, 4):le_uint()
  local frame = {
    id = id,
    protocol = PROTOCOLS[id],
    format = tvb(offset + 6, 1):uint(),
    serial = string.format("%d", tvb(offset + 8, 4):le_uint()),
    length = length - HEADER,
    digest = tvb:raw(offset + 16, 20),
    payload = length > HEADER and tvb:raw(offset + HEADER, length - HEADER) or "",
    place = next_place(pinfo),
  }
  if frame.format > JSON or tvb(offset + 7, 1):uint() ~= 0 or tvb:raw(offset + 36, 8) ~= ("\0"):rep(8) then
    item:add_proto_expert_info(experts.header)
  end
  frame.body, frame.encryption, frame.sha1_ok = open_payload(stream, frame, pinfo)
  if not pinfo.visited and not (frame.encryption == "none" and frame.sha1_ok ~= false) then
    remember(outcomes, pinfo.number, frame.place, { frame.encryption, frame.sha1_ok })
  end
  frame.from_client = is_from_client(stream, frame, pinfo)
  local range = length > HEADER and tvb(offset + HEADER, length - HEADER) or nil
  complete(stream, frame, range, pinfo, tree, item)
end

local function show_cut(tvb, offset, rest, length, pinfo, tree)
  local item = tree:add(opend, tvb(offset, rest), "OpenD, frame cut short")
  local text = string.format("Only %d bytes of a header are there", rest)
  if rest >= HEADER then
    show_header(tvb, offset, item)
    text = string.format("Only %d of %d bytes are there", rest, length)
  end
  item:add_proto_expert_info(experts.cut, text)
  show_in_columns("frame cut short", pinfo)
end

local function show_undecoded(tvb, offset, size, pinfo, tree)
  local text = string.format("%d bytes in no frame", size)
  local item = tree:add(opend, tvb(offset, size), "OpenD, " .. text)
  item:add(fields.undecoded, tvb(offset, size))
  item:add_proto_expert_info(experts.undecoded, text)
  show_in_columns(text, pinfo)
end

local function dissect_segments(tvb, pinfo, tree)
  local stream = conversation(pinfo)
  local size, offset = tvb:len(), 0
  local text -- the bytes, copied once however often a header has to be searched
  while offset < size do
    local rest = size - offset
    local length = frame_length(tvb, offset, rest)
    if length == nil then
      text = text or tvb:raw()
      local next_offset = find_header(text, offset + 2) - 1
      show_undecoded(tvb, offset, next_offset - offset, pinfo, tree)
      offset = next_offset
    elseif length > 0 and length <= rest then
      dissect_frame(stream, tvb, offset, length, pinfo, tree)
      offset = offset + length
    elseif pinfo.can_desegment > 0 and tvb:reported_len() == size then
      pinfo.desegment_offset = offset
      pinfo.desegment_len = length > 0 and length - rest or DESEGMENT_ONE_MORE_SEGMENT
      return
    else
      show_cut(tvb, offset, rest, length, pinfo, tree)
      return
    end
  end
end

opend.dissector = dissect_segments

local function recognise_tcp(tvb, pinfo, tree)
  local size = tvb:len()
  local text = tvb:raw(0, math.min(size, HEADER))
  -- A program may write field by field: "FT" alone is believed on OpenD's port only.
  local is_first_field = size < 8 and text:sub(1, 2) == MAGIC:sub(1, size)
    and (pinfo.dst_port == opend.prefs.port or pinfo.src_port == opend.prefs.port)
  if not is_first_field and not is_plausible(text, 1, size) then
    return false
  end
  pinfo.conversation = opend
  -- Not opend.dissector: a dissector called by another may not ask for more bytes (pinfo.can_desegment).
  dissect_segments(tvb, pinfo, tree)
  return true
end

-- WebSocket --------------------------------------------------------------------------------------------------------

local function recognise_websocket(tvb, pinfo, tree)
  local size = tvb:len()
  if size < CLIENT_ENVELOPE or tvb:raw(0, #ENVELOPE_MAGIC) ~= ENVELOPE_MAGIC then
    return false
  end
  local from_client = last_value(websocket_mask) -- clients mask what they send, servers do not (RFC 6455, 5.1)
  local start = from_client and CLIENT_ENVELOPE or SERVER_ENVELOPE
  local item = tree:add(opend, tvb())
  if size < start then
    item:add_proto_expert_info(experts.cut, string.format("Only %d of %d bytes of a header are there", size, start))
    return true
  end
  local id = tvb(8, 4):uint()
  item:add(fields.proto_id, tvb(8, 4))
  item:add(fields.serial, tvb(12, 8))
  if not from_client then
    item:add(fields.error_code, tvb(20, 4))
    item:add(fields.error_text, tvb(24, 20), tvb(24, 20):stringz())
  end
  item:add(fields.body_length, size - start):set_generated()
  local frame = {
    id = id,
    protocol = PROTOCOLS[id],
    format = 0,
    serial = tostring(tvb(12, 8):uint64()),
    length = size - start,
    payload = size > start and tvb:raw(start) or "",
    place = next_place(pinfo),
    websocket = true,
    from_client = from_client,
    encryption = "none",
  }
  frame.body = frame.payload
  complete(conversation(pinfo), frame, size > start and tvb(start) or nil, pinfo, tree, item)
  return true
end

opend:register_heuristic("tcp", recognise_tcp)
opend:register_heuristic("ws", recognise_websocket)
DissectorTable.get("tcp.port"):add_for_decode_as(opend)
