"""A stand-in for OpenD: a gateway that clients cannot tell from it, for what its world holds.

========================  ============================================================================
``settings``              how a gateway listens, what it demands of clients and where its limits are
``log``                   what a gateway says about itself, as text or as JSON lines
``topics``                what a push is about, and which subscription it belongs to
``subscriptions``         what one client has subscribed to, and whether a push is for it
``push``                  a push on its way to many clients, encoded once
``world``                 where answers come from: the interface of the three below
``matching``              when two requests mean the same
``book``                  captured replies, looked up by their request
``tape``                  captured pushes, with their rhythm
``shift``                 captured times, moved
``replay``                the world of a capture: book and tape
``forward``               a real gateway, asked what the capture does not hold
``market``                made-up prices that depend on nothing but a seed
``quotes``                the market, told in OpenD's messages
``account``               a simulated account: orders, fills, positions, money
``synthetic``             the world of that market and those accounts
``faults``                what can be made to go wrong, when
``outbox``                frames on their way out, faults done to them
``session``               one client: its connection, its requests, its pushes
``wire``, ``websocket``   a client's socket
``server``                the listening, the clients, the end
========================  ============================================================================

The protocol itself is ``ftwire.Connection`` and ``ftwire.websocket_connection``; here is the I/O around it.
"""
