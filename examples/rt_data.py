"""Subscribe to a security and print its time-share points of today.

    python rt_data.py [PORT]

Needs a gateway on that port of this machine: OpenD, or `ftwire serve --synthetic`.
"""

import sys

from ftwire_tools.client import BlockingClient

with BlockingClient("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 11111) as client:
    client.subscribe("HK.00700", "RT", push=False)
    data = client.get_rt_data("HK.00700")  # a pandas DataFrame where pandas is installed
    for column in data:
        print(column, list(data[column])[:3])
