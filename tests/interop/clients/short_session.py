"""futu-api as its documentation has it: a subscription, a request, and an order on paper. The port is the argument.

Runs inside the peer's own environment, with nothing of ours on the path.
"""

import importlib
import sys
from typing import Any

futu: Any = importlib.import_module("futu")

futu.SysConfig.set_all_thread_daemon(True)
port = int(sys.argv[1])
quotes = futu.OpenQuoteContext("127.0.0.1", port)
trades = futu.OpenSecTradeContext(futu.TrdMarket.HK, "127.0.0.1", port, security_firm=futu.SecurityFirm.FUTUSECURITIES)
results = [
    quotes.get_global_state()[0],
    quotes.subscribe(["HK.00700"], [futu.SubType.QUOTE, futu.SubType.RT_DATA])[0],
    quotes.get_rt_data("HK.00700")[0],
    trades.get_acc_list()[0],
]
# A proxy that may change what passes refuses it: that is seen by whoever looks.
trades.place_order(price=300, qty=100, code="HK.00700", trd_side=futu.TrdSide.BUY, trd_env=futu.TrdEnv.SIMULATE)
quotes.close()
trades.close()
sys.exit(any(result != futu.RET_OK for result in results))
