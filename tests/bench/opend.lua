-- OpenD's frames for tshark, with their bodies given to its protobuf dissector: what somebody without ftwire
-- would write. Used by bench_dump.py to compare with, not a supported program.
--
--   tshark -r capture.pcap -X lua_script:opend.lua -o 'uat:protobuf_search_paths:"proto","TRUE"'

local opend = Proto("opend", "OpenD")
local fields = {
  proto_id = ProtoField.uint32("opend.proto_id", "Protocol"),
  format = ProtoField.uint8("opend.format", "Format"),
  version = ProtoField.uint8("opend.version", "Version"),
  serial = ProtoField.uint32("opend.serial", "Serial"),
  length = ProtoField.uint32("opend.length", "Body length"),
  sha1 = ProtoField.bytes("opend.sha1", "SHA-1"),
}
opend.fields = fields

local HEADER = 44
local NAMES = {
  [1001] = "InitConnect", [1004] = "KeepAlive", [3008] = "Qot_GetRT", [3009] = "Qot_UpdateRT",
  [3013] = "Qot_UpdateOrderBook",
}
local SERVER = 11111
local protobuf = Dissector.get("protobuf")

local function length_of(buffer, _, offset)
  return HEADER + buffer(offset + 12, 4):le_uint()
end

local function one_frame(buffer, pinfo, tree)
  local id = buffer(2, 4):le_uint()
  local serial = buffer(8, 4):le_uint()
  local length = buffer(12, 4):le_uint()
  local name = NAMES[id] or "?"
  local item = tree:add(opend, buffer(0, HEADER + length))
  item:add_le(fields.proto_id, buffer(2, 4))
  item:add(fields.format, buffer(6, 1))
  item:add(fields.version, buffer(7, 1))
  item:add_le(fields.serial, buffer(8, 4))
  item:add_le(fields.length, buffer(12, 4))
  item:add(fields.sha1, buffer(16, 20))
  pinfo.cols.protocol = "OpenD"
  pinfo.cols.info:append(string.format(" %d %s #%d %d B", id, name, serial, length))
  if length > 0 and NAMES[id] then
    local kind = pinfo.dst_port == SERVER and "Request" or "Response"
    pinfo.private["pb_msg_type"] = "message," .. name .. "." .. kind
    protobuf:call(buffer(HEADER, length):tvb(), pinfo, tree)
  end
  return HEADER + length
end

function opend.dissector(buffer, pinfo, tree)
  pinfo.cols.info = ""
  dissect_tcp_pdus(buffer, tree, HEADER, length_of, one_frame)
  return buffer:len()
end

DissectorTable.get("tcp.port"):add(SERVER, opend)
