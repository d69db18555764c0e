"""Alipay's signed texts and the readers of its bytes, for any content."""

import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.alipay import signing
from integrations.alipay.notices import read_form
from integrations.alipay.slices import SliceRefused, answer_slices
from integrations.alipay.statements import BillRefused, TradeBill
from integrations.alipay.wire import WireInvalid, yuan_fen
from integrations.ports.money import FEN_MAX, yuan_text
from integrations.ports.payments import NoticeRefused
from integrations.sandbox.alipay.bill import zip_of

NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)
FORMS = st.dictionaries(NAMES, st.text(st.characters(codec="utf-8"), max_size=30))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)
ANSWER = frozenset({"alipay_trade_query_response", "error_response"})


@given(FORMS)
def test_the_signed_text_is_every_named_value_once_in_order(form: dict[str, str]) -> None:
    text = signing.gateway_message(form).decode()
    kept = {name: value for name, value in form.items() if value and name != "sign"}
    assert text == "&".join(f"{name}={kept[name]}" for name in sorted(kept))


@given(FORMS, FORMS)
def test_two_requests_with_one_text_are_one_request(
    first: dict[str, str], second: dict[str, str]
) -> None:
    def plain(form: dict[str, str]) -> dict[str, str]:
        return {n: v for n, v in form.items() if v and n != "sign" and not set("&=") & set(v)}

    one, two = plain(first), plain(second)
    assert (signing.gateway_message(one) == signing.gateway_message(two)) is (one == two)


@given(FORMS)
def test_a_form_comes_back_as_it_was_sent(form: dict[str, str]) -> None:
    body = urlencode(form).encode()
    try:
        assert read_form(body) == form
    except NoticeRefused:
        assert not form


@given(JSON.map(lambda value: {"a": value}), st.sampled_from([(", ", ": "), (",", ":")]))
def test_the_slice_is_the_object_as_it_stood_there(
    content: dict[str, Any], separators: tuple[str, str]
) -> None:
    for escaped in (True, False):
        inner = json.dumps(content, ensure_ascii=escaped, separators=separators)
        inner = inner.replace("/", "\\/")
        body = f'{{ "sign"\n:"x==" ,"alipay_trade_query_response" : {inner} }}\n'
        found = answer_slices(body.encode("utf-8", "surrogatepass"), ANSWER)
        assert found.content == inner.encode("utf-8", "surrogatepass")
        assert found.sign == "x=="


@given(st.binary(max_size=200) | st.text('{}[]",:\\ asign_response', max_size=80).map(str.encode))
def test_no_bytes_break_the_slicer(body: bytes) -> None:
    try:
        found = answer_slices(body, ANSWER)
    except SliceRefused:
        return
    assert found.content in body


@given(st.integers(0, FEN_MAX))
def test_amounts_come_back(fen: int) -> None:
    assert yuan_fen(yuan_text(fen)) == fen


@given(st.text("0123456789.,-+eE ", max_size=12))
def test_an_amount_is_exact_or_refused(text: str) -> None:
    try:
        fen = yuan_fen(text)
    except WireInvalid:
        return
    whole, _, part = text.removeprefix("-").partition(".")
    assert fen == int(whole) * 100 + int(part.ljust(2, "0"))


@settings(max_examples=60)
@given(
    st.binary(max_size=120),
    st.text('支付宝业务明细查询账号：[]#-,\t\r\n"交易退款0123.', max_size=120),
)
def test_no_bytes_break_the_bill_reader(noise: bytes, text: str) -> None:
    head = "#支付宝业务明细查询\n#账号：[1]\n#---\n"
    plain = (head + text).encode("gb18030") + noise
    for content in (noise, zip_of({"业务明细.csv": noise}), zip_of({"业务明细.csv": plain})):
        try:
            assert list(TradeBill(content, account=None).rows()) == []
        except BillRefused:
            continue
