"""``ftwire report``: what happened in a session, as one HTML file that opens anywhere.

The modules, each on top of those before::

    shown_bodies        bodies as they may leave the machine: what redact replaces is replaced or hidden
    frame_table         the columns of the list of frames, packed
    body_chunks         JSON and bytes of bodies, packed in chunks that the page opens one at a time
    prices              prices and volumes of time shares and K-lines, and the last order books
    orders              life cycles of orders
    subscriptions       what was subscribed to, and the quota
    findings            the mistakes that ftwire explain finds
    push_gaps           time between the pushes of a protocol and a security
    filter_vocabulary   names and types for filters in the page
    session             reads a capture and collects all of these
    page_writer         puts data, styles and scripts into one page

The page itself is in ``page/``: HTML, CSS and JavaScript as they are shipped, without a build step. ``page/vendor``
has uPlot, which draws the charts, as its release has it (``tests/interop/vendored.py``).
"""
