"""Tables of captures in memory."""

from __future__ import annotations

import pytest

from ftwire_tools.tables import to_arrow, to_pandas
from support.places import ROOT

CAPTURES = [ROOT / "fixtures/captures" / name for name in ("futu-api-10.11-plain.pcap", "futu-api-10.11-json.pcap")]


def test_all_rows_of_a_table_are_there() -> None:
    one = to_arrow(CAPTURES[0], "time_share")
    both = to_arrow([str(CAPTURES[0]), CAPTURES[1]], "time_share")
    assert set(one["code"].to_pylist()) == {"HK.00700", "US.AAPL"}
    assert both.num_rows > one.num_rows > 6
    assert both.schema.names == one.schema.names


def test_the_columns_may_be_those_of_the_sdk() -> None:
    names = to_arrow(CAPTURES[0], "time_share", columns="sdk").schema.names
    assert names[:4] == ["code", "name", "time", "is_blank"]


def test_a_table_without_rows_is_an_error_that_names_the_others() -> None:
    with pytest.raises(KeyError, match=r"no rows of 'ticker'; there are: .*time_share"):
        to_arrow(CAPTURES[0], "ticker")


def test_pandas_gets_the_same_rows() -> None:
    pytest.importorskip("pandas", reason="pandas is not installed: pip install pandas")
    frame = to_pandas(CAPTURES[0], "time_share")
    assert list(frame["cur_price"]) == to_arrow(CAPTURES[0], "time_share")["cur_price"].to_pylist()
