"""Fuzzing of gateways and clients that run, by a hostile client and a hostile gateway.

=======================  =========================================================================
``mutations``            what can be wrong with a body, a frame or an envelope, and drawing of it
``steps``, ``plans``     what a hostile peer does, as data, and drawing of it
``valid_messages``       the smallest legal messages, ``bodies`` the same with mutations
``transport``            steps to bytes, bytes to frames; ``websocket_*`` the same for envelopes
``transports``           which of the two a connection uses
``connection``           the socket of either side
``attack_session``       a hostile client's connection, with the ``expectations`` of it
``hostile_client``       performs steps against a gateway, ``hostile_gateway`` against a client
``judgement``            which reactions are findings
``targets``, ``program`` the peer that is fuzzed, and its program
``campaign``             runs until the budget is spent, with ``shrinking`` of what is found
``saving``, ``report``   ``crash.json`` and the files beside it, and the output of the command
=======================  =========================================================================
"""
