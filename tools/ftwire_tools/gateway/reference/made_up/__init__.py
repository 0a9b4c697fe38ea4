"""Answers that are made up by rule, for requests without logic of their own: company data, rankings, calendars.

One maker fills any message of the schema from its fields' names, types and enums. What it draws depends on the seed, on
what the message is about and on the field's name, not on the protocol, so that two answers about the same thing agree.

The modules, each depending only on those above it:

===========  =======================================================================================
``subjects``  what a message or a row of a list is about: an instrument, a day, an institution
``facts``     values by the name of a field, from the market where it has them
``values``    a value for any field: fact, time, enum, or drawn within what its name allows
``rows``      which subjects the rows of a list have
``requests``  what a request demands of a list: filters, order, count, page
``maker``     fills a reply
===========  =======================================================================================
"""
