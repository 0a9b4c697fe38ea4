"""Print the replies to GetRT in a capture, and how long the gateway took.

python read_capture.py CAPTURE [KEY.pem]
"""

import sys
from pathlib import Path

import ftwire
from ftwire.messages import Qot_GetRT

frames = ftwire.read(sys.argv[1], keys=[Path(path).read_bytes() for path in sys.argv[2:]])
for frame in frames:
    if frame.error is not None:
        print(frame.number, frame.error)
    elif frame.proto_id == 3008 and frame.kind == "response":
        reply = frame.as_(Qot_GetRT.Response)
        print(frame.number, reply.s2c.security.code, len(reply.s2c.rtList), "points", frame.latency, "ns")
print(frames.account.frames, "frames")
