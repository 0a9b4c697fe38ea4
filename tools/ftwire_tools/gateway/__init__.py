"""A gateway in place of OpenD, which answers from captures or from a made-up market.

The modules, each depending only on those above it:

====================  ================================================================================
``log``               the events that a gateway reports, as text or JSON lines
``faults``            what a gateway can be made to do wrong, and when: a package
``frequencies``       how often requests may be sent
``quotas``            how much may be subscribed to, and how much history requested
``limits``            these and other limits of OpenD, with its texts
``request_log``       one line for each request with its answer
``settings``          addresses, keys, limits and faults of a gateway
``budget``            the memory that all clients together may make a gateway hold
``topics``            what a push is about, and the subscription that it belongs to
``push``              a push to many clients, encoded once
``trading_sessions``  regular hours, extended ones, all: as requests have them
``subscriptions``     what one client has subscribed to, and which pushes it gets
``answer_source``     where answers come from: the interface of ``replay`` and ``synthetic``
``verbs``             methods that can be called with plain data
``steering``          the verbs that steer a gateway: a package
``hooks``             functions of a script that see and change what passes
``session_context``   what all sessions of a gateway share
``transport``         what a session needs of its client's socket
``tapped``            reports the bytes of clients' sockets, for the page beside a gateway
``outbox``            a client's outgoing frames, with faults applied
``client_mistakes``   the known mistake that explains what a client sends
``responder``         answers a client's requests
``client_exchanges``  a client's requests with their answers, for the log
``scripted_pushes``   pushes to a client that a script sees first
``session``           one client: its replies, its pushes, its end
``tcp``               a client's socket and session on TCP
``websocket_queue``   messages on their way to a client on WebSocket
``websocket``         a session on WebSocket
``websocket_socket``  a client's socket for it: TLS, the upgrade, messages
``server``            listens, keeps the sessions, closes them
--------------------  --------------------------------------------------------------------------------
``matching``          when a request counts as the same as a captured one
``reply_index``       captured replies, looked up by their request
``push_recording``    captured pushes, with the time since their cause
``push_scheduler``    sends recorded pushes to a client when they are due
``time_shift``        moves the times in messages
``forward``           sends to a real gateway what the captures do not answer
``replay``            the answer source for captures
``load``              reads captures into a ``Replay``
--------------------  --------------------------------------------------------------------------------
``quote_messages``    fills messages from stocks of the made-up market (``ftwire_tools.synthetic``)
``quotes``            replies and pushes about that market
``reference``         answers about instruments besides prices over time: a package
``order_decisions``   what becomes of the next orders, where the market does not decide
``trading``           a package of its own: accounts, orders, fills, money, and the protocols of trading
``gateway_state``     the states of all markets, the user, rights and quotas
``synthetic``         the answer source for the made-up market and those accounts
``captured_first``    the answer source for captures with that market behind them
--------------------  --------------------------------------------------------------------------------
``script_file``       reads a script
``control``           the verbs over HTTP
``control_description``  the OpenAPI description of that
``protocol_table``    what it does with each request, as a table
====================  ================================================================================

The protocol itself is in ``ftwire.Connection`` and ``ftwire.WebSocketConnection``; here is the I/O around it.
"""
