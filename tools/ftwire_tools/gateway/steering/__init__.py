"""What a script, a test or another program can make a running gateway do.

The verbs are methods of groups; a ``Steering`` has one gateway's groups, and ``VERBS`` is the table of all verbs.
Requests and replies pass ``Steering.refusal`` and ``Steering.altered`` on their way, which is where most verbs take
effect; those about the made-up market and its accounts change these.

The modules, each depending only on those above it:

===============  =====================================================================================
``interfaces``   what verbs need of the gateway, its clients and its made-up market
``parameters``   arguments that verbs of several groups take
``market``       verbs about the made-up market: prices, clock, orders
``replies``      verbs about replies
``rules``        verbs about faults and limits
``script``       verbs about the script of ``--script``
``login``        verbs about OpenD's login and its notices
``connections``  verbs about connections of clients
``steering``     all groups together, and the thread that verbs run in
===============  =====================================================================================
"""

from ftwire_tools.gateway.steering.interfaces import MadeUpSource
from ftwire_tools.gateway.steering.steering import GROUPS, VERBS, Steering
from ftwire_tools.gateway.verbs import SteeringError

__all__ = ["GROUPS", "VERBS", "MadeUpSource", "Steering", "SteeringError"]
