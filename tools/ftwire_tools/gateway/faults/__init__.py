"""What a gateway can be made to do wrong, to test clients.

The modules, each depending only on those above it:

===========  =========================================================================================
``rules``    one rule: what goes wrong, and when; how it is written
``damage``   damaged frames
``strikes``  the rules of a gateway, and which frames of each client they strike
===========  =========================================================================================
"""

from ftwire_tools.gateway.faults.rules import NAMES, FaultError, Rule, parse_rule
from ftwire_tools.gateway.faults.strikes import ClientFaults, Faults

__all__ = ["NAMES", "ClientFaults", "FaultError", "Faults", "Rule", "parse_rule"]
