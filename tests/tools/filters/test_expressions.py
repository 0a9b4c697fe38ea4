"""The grammar of filters: what prints parses back, and errors point at their place."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire_tools.filters import parse
from ftwire_tools.filters.compiler import Filter
from ftwire_tools.filters.errors import FilterError
from ftwire_tools.filters.expression import (
    And,
    Comparison,
    Expression,
    IsIn,
    Literal,
    Matches,
    Not,
    Or,
    Pattern,
    Presence,
    text_of,
)
from ftwire_tools.filters.grammar import MAX_TEXT, parse_expression

NAMES = st.one_of(
    st.sampled_from(["proto", "kind", "s2c.rtList.price", "note", "orders", "inner", "android", "_x1"]),
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}(\.[A-Za-z0-9_]{1,8}){0,3}", fullmatch=True),
).filter(lambda name: name not in ("not", "and", "or", "in"))
TEXTS = st.one_of(
    st.text(max_size=12), st.sampled_from(["50ms", "HK.00700", "[::1]:11", "and", "a b", '"', "\\", "'", '\\"', "/x/"])
)
REGEXES = st.text(st.characters(exclude_characters="/\\"), min_size=1, max_size=10) | st.just(r"a\/b\\")
PATTERNS = st.builds(Pattern, TEXTS) | st.builds(Pattern, REGEXES, st.just(True))
LITERALS = st.builds(Literal, TEXTS)
LEAVES: st.SearchStrategy[Expression] = st.one_of(
    st.builds(Presence, NAMES),
    st.builds(Comparison, NAMES, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), LITERALS),
    st.builds(Matches, NAMES, PATTERNS),
    st.builds(IsIn, NAMES, st.lists(LITERALS, min_size=1, max_size=3).map(tuple)),
)


def _joined(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(Not, inner), st.builds(And, several), st.builds(Or, several))


EXPRESSIONS = st.recursive(LEAVES, _joined, max_leaves=12)


@given(EXPRESSIONS)
def test_what_prints_parses_back(expression: Expression) -> None:
    assert parse_expression(text_of(expression)) == expression


@given(st.text(max_size=60) | st.text("proto~=!<>&|(){},\"'/ notandor.1\\", max_size=40))
def test_any_text_is_a_filter_or_an_error_with_a_place_in_it(text: str) -> None:
    try:
        expression = parse_expression(text)
    except FilterError as error:
        assert 1 <= error.column <= len(text) + 1
    else:
        assert parse_expression(text_of(expression)) == expression


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a == 1 && b == 2 || !c", "(a == 1 and b == 2) or (not c)"),
        ("not a and b", "(not a) and b"),
        ("a or b and c", "a or (b and c)"),
        ("a=='x y'", 'a == "x y"'),
        ("((a))", "a"),
        ("a\n  and b", "a and b"),
        ("a eq 1 or a ne 2 or a lt 3 or a le 4 or a gt 5 or a ge 6", "a==1 or a!=2 or a<3 or a<=4 or a>5 or a>=6"),
        ("eq eq eq", "eq == eq"),
        ("a contains b", "a ~ *b*"),
        ("a not in {1, 2}", "not a in {1, 2}"),
        ("a and b not in {1} or not c", "(a and not b in {1}) or not c"),
        ('a contains "b c*[d]?"', 'a ~ "*b c[*][[]d][?]*"'),
        ('a matches "b/c$"', r"a ~ /b\/c$/"),
        ("a matches /b/", "a ~ /b/"),
        (r'a matches "b\\"', r"a ~ /b\\/"),
        ('a matches ""', "a ~ /(?:)/"),
        ("contains contains matches and matches matches contains", "contains ~ *matches* and matches ~ /contains/"),
    ],
)
def test_two_ways_to_write_one_thing(text: str, same: str) -> None:
    assert parse_expression(text) == parse_expression(same)


ERRORS = {
    "proto ==": "expected a value (column 9)\n  proto ==\n          ^",
    "proto = 3": "expected ==, !=, <, <=, >, >=, ~, in, and, or or the end, not '=' (column 7)\n  proto = 3\n        ^",
    "(kind == push": "expected ) (column 14)\n  (kind == push\n               ^",
    "": "expected a field, not or ( (column 1)\n  \n  ^",
    'code == "HK': 'expected a value: the quote that begins here is not closed (column 9)\n  code == "HK\n          ^',
    "lenght > 5": "there is no field 'lenght'; did you mean length or client? (column 1)\n  lenght > 5\n  ^",
    "serial": "serial is set in every frame: compare it with a value (column 1)\n  serial\n  ^",
    "latency > 50": "expected a duration with its unit (ns, us, ms, s, m, h, d): 50ms, 1.5s, 2m; not '50' (column 11)\n"
    "  latency > 50\n            ^",
    "error or kind == pusch": "kind is never 'pusch'; did you mean push? (column 18)\n"
    "  error or kind == pusch\n                   ^",
    "proto == Qot_GetRTT": "no protocol is called 'Qot_GetRTT'; did you mean Qot_GetRT or Qot_GetWarrant or "
    "Qot_GetHotList? (column 10)\n  proto == Qot_GetRTT\n           ^",
    "proto == Qot_*": "a pattern is written with ~: proto ~ Qot_Get* (column 10)\n  proto == Qot_*\n           ^",
    "proto ~ /^nothing/": "no protocol's name matches '^nothing' (column 9)\n  proto ~ /^nothing/\n          ^",
    "kind < push": "kind has no order: only == and != (column 1)\n  kind < push\n  ^",
    "serial ~ 5*": "~ is for texts, and serial is none (column 1)\n  serial ~ 5*\n  ^",
    "s2c.rtList.prize > 6": "there is no field 's2c.rtList.prize'; did you mean s2c.rtList.price or s2c.rtList.time? "
    "(column 1)\n  s2c.rtList.prize > 6\n  ^",
    "rtList.price > six": "expected a number; not 'six' (column 16)\n  rtList.price > six\n                 ^",
    "klType == KLType_Dey": "klType is never 'KLType_Dey'; did you mean KLType_Day or KLType_Year or KLType_Week? "
    "(column 11)\n  klType == KLType_Dey\n            ^",
    "security.market == US": "security.market is never 'US'; did you mean QotMarket_US_Security? (column 20)\n"
    "  security.market == US\n                     ^",
    "error and or kind": "expected a field, not or (, not 'or' (column 11)\n  error and or kind\n            ^",
    "packetEncAlgo > None": "packetEncAlgo has no order: only == and != (column 1)\n  packetEncAlgo > None\n  ^",
    "s2c.loginUserID == 1": "s2c.loginUserID is hidden, and a filter on it would tell its value (--show-secrets) "
    "(column 1)\n  s2c.loginUserID == 1\n  ^",
    "retMsg ~ /(/": "expected a regular expression (missing ), unterminated subpattern at position 0) (column 10)\n"
    "  retMsg ~ /(/\n           ^",
    "time > noon": 'expected a time: "2026-11-22 07:58:41" (UTC), 2026-11-22T15:58+08:00, or 07:58 of any day; not '
    "'noon' (column 8)\n  time > noon\n         ^",
    '名 == "1"': "expected a field, not or (, not '名' (column 1)\n  名 == \"1\"\n  ^",
    "time > 2026-11-22 07:58": "expected and, or or the end, not '07:58'; a value with a space in it stands in quotes "
    "(column 19)\n  time > 2026-11-22 07:58\n                    ^",
    "number in {5 6}": "expected } or a comma, not '6}' (column 14)\n  number in {5 6}\n               ^",
    "number in {5..8}": "expected a number; not '5..8' (a range is two conditions: number >= 5 and number <= 8) "
    "(column 12)\n  number in {5..8}\n             ^",
    "server == 11111": "expected HOST, HOST:PORT or :PORT; not '11111' (column 11)\n  server == 11111\n            ^",
    "tcp.port == 11111": "there is no field 'tcp.port'; did you mean client or server? (column 1)\n"
    "  tcp.port == 11111\n  ^",
    "opend.kind": "there is no field 'opend.kind'; did you mean kind? (column 1)\n  opend.kind\n  ^",
    'code == "名" x': "expected and, or or the end, not 'x' (column 13)\n  code == \"名\" x\n               ^",
}


@pytest.mark.parametrize("text", ERRORS)
def test_errors_point_at_their_place(text: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert str(caught.value) == ERRORS[text]


def test_hidden_fields_may_be_compared_where_secrets_are_shown() -> None:
    assert parse("s2c.loginUserID == 1", show_secrets=True).needs_body


@pytest.mark.parametrize(
    "make",
    [
        lambda: "not " * 2000 + "error",
        lambda: "(" * 4000 + "error" + ")" * 4000,
        lambda: "error and " * 900 + "error",
        lambda: "a." * 4000 + "a",
        lambda: "x" * (MAX_TEXT + 1),
        lambda: "conversation == " + "9" * 9000,
        lambda: "price == 1e999999999",
        lambda: "retMsg ~ " + "*a" * 400,
    ],
)
def test_long_filters_end_in_a_filter_or_an_error(make: Callable[[], str]) -> None:
    try:
        assert isinstance(parse(make()), Filter)
    except FilterError as error:
        assert error.problem
