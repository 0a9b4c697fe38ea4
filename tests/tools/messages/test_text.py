"""Text that is not UTF-8 is found wherever it stands."""

from ftwire.messages import Qot_GetRT, Qot_Sub
from ftwire_tools.messages.text import undecodable_text


def test_it_is_named_by_its_path() -> None:
    request = Qot_GetRT.Request.FromString(bytes.fromhex("0a070a05080112") + b"\x01\xff")
    assert undecodable_text(request) == "c2s.security.code"


def test_in_a_list() -> None:
    request = Qot_Sub.Request()
    request.c2s.securityList.add(market=1, code="00700")
    request.c2s.securityList.add(market=1, code="~")
    data = request.SerializePartialToString()
    assert undecodable_text(Qot_Sub.Request.FromString(data + b"\x0a\x02\x18\x01")) is None
    damaged = Qot_Sub.Request()
    damaged.MergeFromString(data.replace(b"~", b"\xfe"))
    assert undecodable_text(damaged) == "c2s.securityList.code"


def test_text_in_any_script_is_text() -> None:
    request = Qot_GetRT.Request()
    request.c2s.security.code = "腾讯 ✓"
    assert undecodable_text(request) is None
