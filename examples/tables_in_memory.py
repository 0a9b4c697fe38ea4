"""Sum up the volumes in a capture by security.

    python tables_in_memory.py CAPTURE

Needs the extra `export`. With pandas, `to_pandas` returns a DataFrame instead.
"""

import sys

from ftwire_tools.tables import to_arrow

points = to_arrow(sys.argv[1], "time_share", columns="sdk")
print(points.schema.names[:4])
print(points.group_by("code").aggregate([("volume", "sum")]).sort_by("code").to_pylist())
