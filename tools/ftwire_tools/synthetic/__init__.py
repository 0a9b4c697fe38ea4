"""The made-up market, for the gateway (``serve --synthetic``) and for captures (``ftwire synth``).

universe      the instruments there are: a table that comes with ftwire, or the user's
options       options of these instruments, by rule, and what they are worth

For the gateway, prices are a function of time:

corporate_actions  splits and dividends, and the factors that adjust prices for them
fundamentals       earnings, book value, dividends, staff of each company
prices             what prices, minutes and days of an instrument are
random_days        a day's prices from a seed, or from those of another instrument
minute_prices      minutes from a day, trades from a minute
price_steering     what verbs do to a price: held, moved, halted
characters         how each kind of instrument moves, and what follows from what
recorded_days      the days of an instrument in a user's own data, in place of those that follow from a seed
recorded_cells     cells of such data, to whole numbers
recorded_rows      its rows, in order
recorded_files     its files: CSV, Parquet, tables of ``ftwire export``
recordings         reads it
trading_session    a session of one day: its minutes, and what they add up to at a moment
history            K-lines
stock_now          an instrument at the present moment: its clock, and the prices it shows
steered_stock      what verbs do to it
stock_day          what it has traded
trading_day        the market: the clock, and all instruments

For captures, which need thousands of pushes in a millisecond, prices are a random walk:

market             stocks and how their prices move
template           encoded messages with holes to be filled
bodies             bodies of pushes and replies about stocks, from templates
capture            frames to packets and capture files
day                a whole capture of a given size

Everything follows from a seed: the same one gives the same prices and the same bytes.
"""
