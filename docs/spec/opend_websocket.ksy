# Made by docs/make_spec.py from ftwire.layout.
meta:
  id: opend_websocket
  title: OpenD's WebSocket envelope
  endian: be
params:
  - id: is_client
    type: bool
    doc: whether the client sent the message
seq:
  - id: message
    type:
      switch-on: is_client
      cases:
        true: client_message
        false: server_message
types:
  client_message:
    seq:
      - id: magic
        contents: [102, 116, 45, 118, 49, 46, 48, 0]
        doc: "ft-v1.0 and a zero byte"
      - id: command
        type: u4
        doc: "protocol ID, or a number below 100"
      - id: section
        type: u8
        doc: "number of the request; the reply repeats it"
      - id: body
        size-eos: true
  server_message:
    seq:
      - id: magic
        contents: [102, 116, 45, 118, 49, 46, 48, 0]
        doc: "ft-v1.0 and a zero byte"
      - id: command
        type: u4
        doc: "protocol ID, or a number below 100"
      - id: section
        type: u8
        doc: "number of the request; the reply repeats it"
      - id: error_code
        type: s4
        doc: "0 fine, 1 time-out, 2 OpenD's time-out, 3 disconnected; signed"
      - id: error_text
        size: 20
        doc: "UTF-8, filled with zero bytes"
      - id: body
        size-eos: true
