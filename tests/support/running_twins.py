"""What a test does and reads at the twins of a running system."""

import httpx

from tests.support.running import RunningSystem


def spend_what_is_saved(system: RunningSystem, person_no: str, **more: int) -> None:
    """So that the fund pays a share of the first bill."""
    httpx.post(
        f"{system.twin_url}/insurance/sandbox/counters",
        json={"psn_no": person_no, "moves": {"op.dedc": 50_000, **more}},
        trust_env=False,
    ).raise_for_status()


def pay_by_scanning(system: RunningSystem, qr_text: str) -> None:
    """The payer's phone scans the kiosk's payment code and pays at the provider's twin."""
    path, body = "wechatpay", {"code_url": qr_text, "openid": "somebody-at-the-kiosk"}
    if qr_text.startswith("https://qr.alipay.com/"):
        path, body = "alipay", {"qr_code": qr_text}
    answer = httpx.post(f"{system.twin_url}/{path}/sandbox/pay", json=body, trust_env=False)
    assert answer.status_code == 200, answer.text


def alipay_book(system: RunningSystem, qr_text: str) -> tuple[int, list[int]]:
    """What the twin of Alipay took by this code, and what it gave back of it, in fen."""
    book = httpx.get(f"{system.twin_url}/alipay/sandbox/book", trust_env=False).json()
    (trade,) = [one for one in book["trades"] if one["qr_code"] == qr_text]
    refunds = [one for one in book["refunds"] if one["out_trade_no"] == trade["out_trade_no"]]
    assert {one["status"] for one in refunds} <= {"DONE"}
    return trade["total_fen"], [one["refund_fen"] for one in refunds]
