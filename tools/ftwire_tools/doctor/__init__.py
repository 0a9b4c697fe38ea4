"""What works of a gateway and what does not, found out as a client: ``ftwire doctor``.

``examine`` connects, makes requests that only read, and yields a ``Check`` for each thing that was looked at.

================  ====================================================================
``checks``        a check: what was looked at, how it stands, the remedy
``port_probe``    what answers at a port: OpenD on TCP, a WebSocket, HTTP, TLS, nothing
``access``        requests to a gateway on TCP and on WebSocket
``gateway_state`` version, clock, login, quote rights, quota and latency by requests
``examination``   all of it, in order
``report``        the checks as text and as JSON
================  ====================================================================
"""

from ftwire_tools.doctor.checks import Check, Status
from ftwire_tools.doctor.examination import ExaminedGateway, examine

__all__ = ["Check", "ExaminedGateway", "Status", "examine"]
