"""What the pages' stand-in tells of providers: their QR texts, and the digits of their codes."""

from typing import Any

QR_TEXTS = {
    "wechatpay": "weixin://wxpay/bizpayurl?pr=",
    "alipay": "https://qr.alipay.invalid/?pr=",
    "beanpay": "https://qr.bean.invalid/?pr=",
}
SHAPES: dict[tuple[str, str], dict[str, Any]] = {
    ("wechatpay", "code"): {"shape": {"starts": ["13"], "least": 18, "most": 18}},
    ("alipay", "code"): {"shape": {"starts": ["25", "28"], "least": 16, "most": 24}},
    ("beanpay", "code"): {"shape": {"starts": ["77"], "least": 16, "most": 16}},
}


def offered(
    ways: list[tuple[str, str]], names: dict[str, dict[str, Any]], here: tuple[str, ...]
) -> list[dict[str, Any]]:
    """The ways of a place."""
    return [
        {"provider": one[0], "way": one[1], **names.get(one[0], {}), **SHAPES.get(one, {})}
        for one in ways
        if one[1] in here
    ]
