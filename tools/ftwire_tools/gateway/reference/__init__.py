"""Answers about instruments of the made-up market, besides their prices over time.

The modules, each depending only on those above it:

================  ====================================================================================
``view``          the market as these answers see it: instruments, present prices, time
``indicators``    moving averages and other indicators over prices
``bounds``        the lowest and the highest value of a filter
``static_info``   static information, plates, what refers to an instrument
``options``       expiries, chains, strategies
``warrants``      values of warrants, lists that filter and sort them
``futures``       contract terms
``events``        event contracts
``snapshots``     snapshots with the part for each kind of instrument
``flows``         capital flow and distribution, brokers
``corporate``     corporate actions, rising and falling stocks
``screening``     the stock filter
``stock_screen``  the second stock screen, with numbered properties
``calculation``   indicators over a client's own K-lines
``unusual``       texts about what is unusual about a stock
``watchlists``    the user's groups of securities
``reminders``     price reminders and their pushes
``alerts``        alerts on unusual option trades
``service``       verification, delay statistics, search
``made_up``       answers without logic of their own, filled by rule: a package
``answers``       all of them together: the interface of this package
================  ====================================================================================
"""
