"""Facts about markets, each in one place.

exchanges       market numbers of the protocol, prefixes of codes, time zones
codes           ``HK.00700`` to market number and code, and back
local_times     times as OpenD writes them, on the exchange's clock
clocks          which time zone a security's times are in, daylight saving, moving times
trading_days    calendars: trading days and half days
timetables      the hours of each market, and the states that it shows
sessions        when a market trades, and its state at a moment
ticks           the smallest difference of two prices
trading_clock   the seconds of regular sessions in a row
zones           columns of exchange-local times to instants (needs pyarrow)
"""
