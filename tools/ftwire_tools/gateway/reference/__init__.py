"""Answers about instruments of the made-up market, besides their prices over time.

The modules, each depending only on those above it:

================  ====================================================================================
``view``          the market as these answers see it: instruments, present prices, time
``indicators``    moving averages and other indicators over prices
``static_info``   static information, plates, what refers to an instrument
``options``       expiries, chains, strategies
``warrants``      values of warrants, lists that filter and sort them
``futures``       contract terms
``snapshots``     snapshots with the part for each kind of instrument
``flows``         capital flow and distribution, brokers
``screening``     the stock filter
``watchlists``    the user's groups of securities
``reminders``     price reminders and their pushes
``service``       verification, delay statistics, search
``answers``       all of them together: the interface of this package
================  ====================================================================================
"""
