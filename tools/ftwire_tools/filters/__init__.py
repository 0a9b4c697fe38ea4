"""Which frames are shown: filter expressions, and the options that are short for them.

::

    from ftwire_tools.filters import parse

    chosen = parse('proto ~ "Qot_Get*" and (ret_type != 0 or latency > 50ms)')
    shown = [frame for frame in ftwire.read("session.pcap") if chosen.matches(frame)]

The modules, each on top of those before::

    errors             FilterError, with the place in the text
    expression         expressions as values, and their text
    grammar            text -> expression
    literals           numbers, sizes, durations, times, patterns
    filter_text        reads the values in a text; errors that show the place
    protocol_names     protocols by name, number and glob
    header_fields      the names of what is not in bodies
    conditions         comparisons of one value
    header_conditions  conditions on what is not in bodies
    body_paths         values at field paths of bodies
    body_conditions    conditions on field paths
    compiler           expression -> Filter
    shorthands         the older options, as expressions
    frame_filter       the older options
    present_values     what a capture has, where a filter matches nothing
    unanswered         requests without a response, which are known at the end of a capture only
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftwire.protocols import Registry, registry

if TYPE_CHECKING:
    from ftwire_tools.filters.compiler import Filter

__all__ = ["parse"]


def parse(text: str, *, registry: Registry = registry, show_secrets: bool = False) -> Filter:
    """Return the filter that an expression is. ``docs/filters.md`` has the language.

    ``registry`` has the protocols and fields that it may name. Conditions on fields that are hidden are refused
    unless ``show_secrets``. Raises ``FilterError`` (a ``ValueError``), whose text shows the place.
    """
    # Imported late: most runs have no filter.
    from ftwire_tools.filters.compiler import Filter
    from ftwire_tools.filters.grammar import parse_expression

    return Filter(parse_expression(text), registry=registry, show_secrets=show_secrets, text=text)
