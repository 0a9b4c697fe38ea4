"""``ftwire view``: the page of ``ftwire report`` while a capture grows, in a browser on this machine.

The modules, each on top of those before::

    live_session    reads a capture as it grows, and saves what is shown of it
    view_server     gives the page its data, and says when there is more

The page is the report's (``session_report/page``), with ``live.js``, which asks for what is new.
"""
