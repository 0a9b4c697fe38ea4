"""Fuzzing of gateways and clients that run, by a hostile client and a hostile gateway.

=======================  =========================================================================
``steps``                what a hostile peer does, as data, with tables of what can be wrong
``bodies``               the smallest legal messages
``plans``                drawing of steps
``transport``            steps to bytes, bytes to frames; ``websocket`` the same for envelopes
``connection``           the socket of either side
``targets``              the peer that is fuzzed, and its program
``hostile_client``       performs steps against a gateway, in an ``attack_session`` each connection
``hostile_gateway``      performs steps against a client
``judgement``            which reactions are findings
``campaign``             runs until the budget is spent, with ``shrinking`` of what is found
``saving``, ``report``   ``crash.json`` and the files beside it, and the output of the command
=======================  =========================================================================
"""
