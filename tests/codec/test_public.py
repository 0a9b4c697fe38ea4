"""What `import ftwire` offers, and what it costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ftwire
from ftwire import errors


def test_every_public_name_is_there_and_none_is_missing() -> None:
    for name in ftwire.__all__:
        assert getattr(ftwire, name) is not None
    assert set(ftwire.__all__) <= set(dir(ftwire))


def test_type_checkers_find_the_names_that_importing_finds() -> None:
    source = ast.parse(Path(ftwire.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in source.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert sorted(alias.name for node in imports for alias in node.names) == sorted(ftwire.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(ftwire, "nothing")


def test_the_error_tree_is_the_one_its_module_draws() -> None:
    drawn = {word for word in (errors.__doc__ or "").split() if word.endswith("Error")}
    defined = {name for name in vars(errors) if name.endswith("Error")}
    assert defined == drawn & defined == set(errors.__all__)
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), ftwire.WireError)


def run(program: str) -> list[str]:
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()


def test_importing_costs_little_and_asks_for_no_extra() -> None:
    heavy = ["construct", "cryptography", "websockets", "hypothesis", "click", "rich", "asyncio"]
    loaded = run(
        "import sys, ftwire; ftwire.FrameDecoder().feed(b''); ftwire.registry[3008].response;"
        f"print(*[name for name in {heavy} if name in sys.modules])"
    )
    assert loaded == []


@pytest.mark.parametrize(
    ("package", "asked", "extra"),
    [
        ("hypothesis", "import ftwire; ftwire.strategies", "ftwire[fuzz]"),
        ("pyarrow", "from ftwire_tools.export import tables", "ftwire[export]"),
        ("websockets", "import ftwire; ftwire.WebSocketObserver()", "pip install ftwire"),
    ],
)
def test_what_an_extra_brings_is_named_where_it_is_missing(package: str, asked: str, extra: str) -> None:
    program = f"import sys; sys.modules[{package!r}] = None; {asked}"
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert package in last
    assert extra in last


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Conversation", "ConversationObserver"),
        ("FrameScanner", "ResyncDecoder"),
        ("Gap", "UndecodedBytes"),
        ("Picker", "Projection"),
    ],
)
def test_a_name_of_the_last_release_still_works_with_a_warning(old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=rf"ftwire\.{old} is called ftwire\.{new} now"):
        assert getattr(ftwire, old) is getattr(ftwire, new)


@pytest.mark.parametrize("missing", ["hypothesis", ""])
def test_help_shows_the_map_of_the_modules(missing: str) -> None:
    text = run(f"import sys; sys.modules[{missing!r}] = None; import ftwire; help(ftwire)")
    assert {"A", "map,", "``ftwire.stream``", "``ftwire.strategies``", "FrameDecoder"} <= set(text)


def test_names_stay_themselves_whatever_was_imported_first() -> None:
    assert run("import ftwire.stream, ftwire; print(ftwire.registry[3008].name)") == ["Qot_GetRT"]
    assert run("import ftwire; ftwire.Frame; print(ftwire.registry[3008].name)") == ["Qot_GetRT"]
