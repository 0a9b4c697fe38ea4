# Made by docs/make_spec.py from ftwire.layout.
meta:
  id: opend
  title: OpenD wire protocol, one direction of a conversation on TCP
  endian: le
seq:
  - id: frames
    type: frame
    repeat: eos
types:
  frame:
    seq:
      - id: magic
        contents: [70, 84]
        doc: "FT"
      - id: proto_id
        type: u4
        doc: "protocol ID"
      - id: body_format
        type: u1
        doc: "0 protobuf, 1 JSON"
      - id: version
        type: u1
        doc: "0"
      - id: serial
        type: u4
        doc: "serial number; a reply repeats its request's"
      - id: body_length
        type: u4
        doc: "bytes that follow, encrypted if they are"
      - id: sha1
        size: 20
        doc: "SHA-1 of the plain body"
      - id: reserved
        size: 8
        doc: "zero"
      - id: body
        size: body_length
        doc: protobuf or JSON; encrypted, if the conversation is
