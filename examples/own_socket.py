"""Subscribe to a security and print its next pushes, with a socket of one's own and `ftwire.Connection`.

    python own_socket.py [PORT]

Needs a gateway on that port of this machine: OpenD, or `ftwire serve --synthetic`. `Connection` opens no socket and
reads no clock: it is given bytes and times, and returns events and the bytes to send. It fits any event loop.
"""

import socket
import sys
import time

from ftwire import Connection, Role
from ftwire.events import Connected, PeerSilent, PushReceived, Refused
from ftwire.messages import Qot_Sub, Qot_UpdateRT

subscribe = Qot_Sub.Request()
security = subscribe.c2s.securityList.add()
security.market, security.code = 1, "00700"
subscribe.c2s.subTypeList.append(5)  # SubType_RT
subscribe.c2s.isSubOrUnSub = subscribe.c2s.isRegOrUnRegPush = True

connection = Connection(Role.CLIENT)  # key=ftwire.RsaKey.from_pem(...) where OpenD has one
with socket.create_connection(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 11111)) as sock:
    connection.initiate(time.time_ns(), client_id="mine")
    points = 0
    while points < 2:
        sock.sendall(connection.data_to_send())
        due = connection.next_timer()  # of a KeepAlive, or of a request that no reply came to
        sock.settimeout(None if due is None else max((due - time.time_ns()) / 1e9, 0.001))
        try:
            data = sock.recv(65536)
            events = list(connection.receive_data(data, time.time_ns()))
        except TimeoutError:
            events = connection.handle_timer(time.time_ns())
        else:
            if not data:
                sys.exit("the gateway has closed the connection")
        for event in events:
            if isinstance(event, Connected):
                connection.request("Qot_Sub", subscribe, time.time_ns())
            elif isinstance(event, PushReceived) and event.frame.proto_id == 3009:
                push = event.frame.as_(Qot_UpdateRT.Response)
                for point in push.s2c.rtList:
                    print(push.s2c.security.code, point.time, point.price)
                    points += 1
            elif isinstance(event, (Refused, PeerSilent)):
                sys.exit(str(event))
