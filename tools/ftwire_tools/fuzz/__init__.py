"""Fuzzing of gateways and clients that run, by a hostile client and a hostile gateway.

=======================  =========================================================================
``steps``                what a hostile peer does, as data, with tables of what can be wrong
``bodies``               the smallest legal messages, and bodies with something wrong in them
``plans``                drawing of steps
``transport``            steps to bytes, bytes to frames; ``websocket`` the same for envelopes
``connection``           a performance and its connections, the socket of either side
``attack_session``       a hostile client's connection, and what must come of what it has sent
``hostile_client``       performs steps against a gateway, ``hostile_gateway`` against a client
``judgement``            which reactions are findings
``targets``, ``program`` the peer that is fuzzed, and its program
``campaign``             runs until the budget is spent, with ``shrinking`` of what is found
``saving``, ``report``   ``crash.json`` and the files beside it, and the output of the command
=======================  =========================================================================
"""
