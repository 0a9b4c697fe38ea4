"""Trading on the made-up market: accounts, orders, fills, money, as OpenD shows them.

The modules, each depending only on those above it:

===================  =================================================================================
``amounts``          money, prices and quantities as exact decimals
``venue``            what trading needs of a market, and the made-up market behind it
``texts``            OpenD's texts of refusals, in its two languages
``rates``            rates of exchange
``order_state``      the states of an order, and which may follow which
``order_types``      which order types each product takes, and the fields that each needs
``price_rules``      ticks, decimals, bands, lots, caps
``order``            orders and fills
``triggers``         when conditional orders are sent
``fill_model``       how orders are filled: ``serve --fills``
``fees``             the fees of real accounts
``ledger``           cash by currency, positions with cost and result, movements of cash
``accounts``         which accounts there are
``power``            buying power, margin, what may be sold
``day_trades``       the rule about day trades
``order_entry``      what an order may be: type, side, prices, time, trading session
``journal``          moves orders between states, and reports what is pushed
``exchange``         follows orders: waiting, sent, filled, over
``broker``           the accounts, and what clients may do with orders
``queries``          which orders, fills, positions and flows a request gets
``messages``         all of that as OpenD's messages
``requests``         answers to the protocols of trading
===================  =================================================================================

The rules with their sources, what is not modelled, and a drawing of the states are in ``docs/trading.md``.
"""
