"""``python -m ftwire`` is the command ``ftwire``, where the tools are installed."""

from __future__ import annotations

import sys


def _main() -> None:
    try:
        from ftwire_tools.cli import main
    except ModuleNotFoundError as error:
        if error.name != "ftwire_tools":
            raise
        sys.stderr.write("ftwire: the library is here without its tools: pip install ftwire has both\n")
        sys.exit(2)
    main()


if __name__ == "__main__":
    _main()
