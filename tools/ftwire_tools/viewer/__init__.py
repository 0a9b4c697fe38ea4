"""``ftwire view``: the page of ``ftwire report`` while a capture grows, in a browser on this machine.

The modules, each on top of those before::

    live_session    reads a capture as it grows, and saves what is shown of it
    resender        sends requests again, on a connection of its own
    view_server     gives the page its data, says when there is more, takes what is to be sent or switched
    page_thread     serves the page beside a proxy or a gateway

The page is the report's (``session_report/page``), with ``live.js``, which asks for what is new.
"""
