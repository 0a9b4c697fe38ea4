"""From the text of a filter to its expression: the grammar, and errors that point at their place."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.filters.errors import FilterError
from ftwire_tools.filters.expression import (
    BARE_WORD,
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
)

if TYPE_CHECKING:
    from lark import Lark

__all__ = ["MAX_TEXT", "parse_expression", "parser_tables"]

MAX_TEXT: Final = 10_000
"""Characters of a filter. It bounds the time that any text takes."""

# LALR with a lexer that knows what may come: a word is a field in front of an operator, and a value behind it.
_GRAMMAR: Final = r"""
?start: either
?either: both (_OR both)*
?both: negation (_AND negation)*
?negation: _NOT negation -> negated
    | "(" either ")" -> group
    | NAME -> presence
    | NAME OPERATOR value -> comparison
    | NAME "~" pattern -> match
    | NAME _MATCHES pattern -> search
    | NAME _CONTAINS value -> containment
    | NAME _IN "{" value ("," value)* "}" -> membership
    | NAME _NOT_IN "{" value ("," value)* "}" -> exclusion
value: QUOTED | BARE
pattern: QUOTED | REGEX | BARE
_OR: /or(?!\w)|\|\|/
_AND: /and(?!\w)|&&/
_NOT.3: /not(?!\w)|!(?!=)/
_IN: /in(?!\w)/
_NOT_IN: /(not\s+|!\s*)in(?!\w)/
_MATCHES: /matches(?!\w)/
_CONTAINS: /contains(?!\w)/
NAME: /(?!(and|or|not|in)(?![A-Za-z0-9_.]))[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*/
OPERATOR: /==|!=|<=|>=|<|>|(eq|ne|le|ge|lt|gt)(?!\w)/
QUOTED.2: /"(\\.|[^"\\])*"|'(\\.|[^'\\])*'/s
REGEX.2: /\/(\\.|[^\/\\])+\//s
BARE: /BARE_WORD/
%ignore /\s+/
""".replace("BARE_WORD", BARE_WORD.replace("/", r"\/"))

_WORDS: Final = {
    "NAME": "a field",
    "OPERATOR": "==, !=, <, <=, >, >=",
    "TILDE": "~",
    "_IN": "in",
    "QUOTED": "a value",
    "BARE": "a value",
    "REGEX": "/a regular expression/",
    "_AND": "and",
    "_OR": "or",
    "_NOT": "not",
    "LPAR": "(",
    "RPAR": ")",
    "LBRACE": "{",
    "RBRACE": "}",
    "COMMA": "a comma",
    "$END": "the end",
}
"""What errors call the terminals, in the order in which they name them."""

_OPERATORS: Final = {"eq": "==", "ne": "!=", "le": "<=", "ge": ">=", "lt": "<", "gt": ">"}
"""Other ways to write an operator: Wireshark has them too."""


def parse_expression(text: str) -> Expression:
    """Parse a filter. Raises ``FilterError``."""
    from lark import UnexpectedCharacters, UnexpectedToken

    if len(text) > MAX_TEXT:
        raise FilterError(f"a filter has at most {MAX_TEXT} characters", text[:60], 0)
    try:
        parsed: Any = _parser().parse(text)
    except UnexpectedToken as error:
        at = len(text) if error.token.type == "$END" else error.token.start_pos or 0
        raise FilterError(_expected(text, at, error.accepts or error.expected), text, at) from None
    except UnexpectedCharacters as error:
        at = error.pos_in_stream or 0
        raise FilterError(_expected(text, at, error.allowed or ()), text, at) from None
    expression: Expression = _Group.unwrapped(parsed)
    return expression


def _expected(text: str, at: int, terminals: Any) -> str:
    # The parser's tables have one entry for the end of all and for that of what is in parentheses.
    ends = {"RPAR", "$END"}
    end = "RPAR" if text.count("(", 0, at) > text.count(")", 0, at) else "$END"
    allowed = {end if name in ends else name for name in terminals}
    words = dict.fromkeys(word for name, word in _WORDS.items() if name in allowed)
    listed = list(words)
    wanted = f"{', '.join(listed[:-1])} or {listed[-1]}" if len(listed) > 1 else "".join(listed)
    begin = text[at : at + 20].split()
    if at < len(text) and text[at] in "\"'/":
        return f"expected {wanted}: the quote that begins here is not closed"
    if not begin:
        return f"expected {wanted}"
    is_behind_bare = "_AND" in allowed and "OPERATOR" not in allowed and re.search(r"[\w.:]\s+$", text[:at])
    hint = "; a value with a space in it stands in quotes" if is_behind_bare and re.match(r"\w", begin[0]) else ""
    return f"expected {wanted}, not {begin[0]!r}{hint}"


def parser_tables() -> dict[str, Any]:
    """Return the grammar as plain values, for a parser in another language: what lark makes of it, and no more.

    ``terminals`` are name, source and flags of regular expressions, in the order in which they are to be tried;
    ``ignore`` those that are left out; ``start`` and ``end`` the first state and the last; ``rules`` their origin,
    their symbols with whether each is kept in the tree, the name of their node, and whether a node of one child is
    that child; ``states`` for each symbol ``[0, next state]`` or ``[1, rule to reduce]``; ``words`` what errors call
    the terminals, in the order in which they name them; ``operators`` other ways to write an operator; ``most`` how
    many characters a text has at most.
    """
    from lark import Lark
    from lark.grammar import Rule
    from lark.lexer import PatternStr, TerminalDef

    lark = Lark(_GRAMMAR, parser="lalr", lexer="contextual")
    data, memo = lark.memo_serialize([TerminalDef, Rule])
    table = data["parser"]["parser"]
    symbols = {int(number): name for number, name in table["tokens"].items()}
    numbers: dict[str, int] = {}
    rules: list[Any] = []
    for key, value in memo.items():
        if value["__type__"] == "Rule":
            numbers[str(key)] = len(rules)
            expansion = [[each["name"], not each.get("filter_out", False)] for each in value["expansion"]]
            name = value["alias"] or value["origin"]["name"]
            rules.append([value["origin"]["name"], expansion, name, value["options"]["expand1"]])
    states = {
        state: {
            symbols[int(symbol)]: [0, action] if not kind else [1, numbers[str(action["@"])]]
            for symbol, (kind, action) in actions.items()
        }
        for state, actions in table["states"].items()
    }
    # The order of lark's own lexer.
    terminals = sorted(
        lark.terminals, key=lambda each: (-each.priority, -each.pattern.max_width, -len(each.pattern.value), each.name)
    )
    return {
        "terminals": [
            [
                each.name,
                re.sub(r"[\\^$.*+?()\[\]{}|/]", r"\\\g<0>", each.pattern.value)
                if isinstance(each.pattern, PatternStr)
                else each.pattern.value,
                "".join(sorted(each.pattern.flags)),
            ]
            for each in terminals
        ],
        "ignore": [each.name for each in terminals if each.name.startswith("__IGNORE")],
        "rules": rules,
        "states": states,
        "start": table["start_states"]["start"],
        "end": table["end_states"]["start"],
        "words": _WORDS,
        "operators": _OPERATORS,
        "most": MAX_TEXT,
    }


class _Group:
    """Something in parentheses: it is not joined with what stands beside it."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    @staticmethod
    def unwrapped(found: Any) -> Any:
        while isinstance(found, _Group):
            found = found.inner
        return found


@cache
def _parser() -> Lark:
    # Imported late: it takes a third of the time that a small capture takes to be shown.
    from lark import Lark, Transformer

    unwrapped = _Group.unwrapped

    class _Builder(Transformer[Any, Any]):
        """Makes expressions while the text is parsed, so that no depth of nesting takes depth of calls."""

        def either(self, children: list[Any]) -> Any:
            return Or(tuple(map(unwrapped, children)))

        def both(self, children: list[Any]) -> Any:
            return And(tuple(map(unwrapped, children)))

        def group(self, children: list[Any]) -> Any:
            return _Group(unwrapped(children[0]))

        def negated(self, children: list[Any]) -> Any:
            return Not(unwrapped(children[0]))

        def presence(self, children: list[Any]) -> Any:
            return Presence(str(children[0]), children[0].start_pos)

        def comparison(self, children: list[Any]) -> Any:
            name, operator, value = children
            return Comparison(str(name), _OPERATORS.get(operator, str(operator)), value, name.start_pos)

        def match(self, children: list[Any]) -> Any:
            name, pattern = children
            return Matches(str(name), pattern, name.start_pos)

        def search(self, children: list[Any]) -> Any:
            name, pattern = children
            # As it would be written between slashes, where nothing is no expression.
            text = re.sub(r"(?s)(\\.)|[/\\]", lambda found: found[1] or f"\\{found[0]}", pattern.text) or "(?:)"
            return Matches(str(name), Pattern(text, is_regex=True, at=pattern.at), name.start_pos)

        def containment(self, children: list[Any]) -> Any:
            name, value = children
            return Matches(
                str(name), Pattern("*" + re.sub(r"[*?[]", r"[\g<0>]", value.text) + "*", at=value.at), name.start_pos
            )

        def membership(self, children: list[Any]) -> Any:
            name, *values = children
            return IsIn(str(name), tuple(values), name.start_pos)

        def exclusion(self, children: list[Any]) -> Any:
            return Not(self.membership(children))

        def value(self, children: list[Any]) -> Any:
            (token,) = children
            return Literal(_unquoted(token), token.start_pos)

        def pattern(self, children: list[Any]) -> Any:
            (token,) = children
            if token.type == "REGEX":
                return Pattern(token[1:-1], is_regex=True, at=token.start_pos)
            return Pattern(_unquoted(token), at=token.start_pos)

    return Lark(_GRAMMAR, parser="lalr", lexer="contextual", transformer=_Builder())


def _unquoted(token: Any) -> str:
    """Return the text of a value. Behind a backslash, a quote and a backslash stand for themselves."""
    if token.type != "QUOTED":
        return str(token)
    return re.sub(r"""\\(["'\\])""", r"\1", token[1:-1])
