"""The made-up market, for the gateway (``serve --synthetic``) and for captures (``ftwire synth``).

universe      the instruments there are: a table that comes with ftwire, or the user's
options       options of these instruments, by rule, and what they are worth
market        stocks and how their prices move
trading_day   a day of all stocks, second by second: trades, minutes, candles, order books
template      encoded messages with holes to be filled
bodies        bodies of pushes and replies about stocks, from templates
capture       frames to packets and capture files
day           a whole capture of a given size

Everything follows from a seed: the same one gives the same prices and the same bytes.
"""
