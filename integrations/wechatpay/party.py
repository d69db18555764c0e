"""Who is who on the wire: a direct merchant, or a sub-merchant under a service provider (1.1)."""

from urllib.parse import quote

from integrations.wechatpay import wire, wire_mixed
from integrations.wechatpay.settings import WechatPaySettings


class Party:
    """Paths, account fields and the check that an answer is about this merchant."""

    def __init__(self, settings: WechatPaySettings) -> None:
        self._mchid, self._appid = settings.mchid, settings.appid
        self._sp_mchid, self._sp_appid = settings.sp_mchid, settings.sp_appid

    @property
    def is_sub(self) -> bool:
        """Whether a service provider signs."""
        return self._sp_mchid is not None

    @property
    def trades(self) -> str:
        """Where orders are placed, asked for, closed and reversed."""
        return "/v3/pay/partner/transactions" if self.is_sub else "/v3/pay/transactions"

    def account(self) -> wire.Account:
        """The account fields of an order."""
        if self.is_sub:
            return wire.Account(
                sp_appid=self._sp_appid,
                sp_mchid=self._sp_mchid,
                sub_appid=self._appid,
                sub_mchid=self._mchid,
            )
        return wire.Account(appid=self._appid, mchid=self._mchid)

    def closing(self) -> wire.Account:
        """The account fields of a close."""
        if self.is_sub:
            return wire.Account(sp_mchid=self._sp_mchid, sub_mchid=self._mchid)
        return wire.Account(mchid=self._mchid)

    def payer(self, openid: str) -> wire.Payer:
        """The payer, known to the app in which he pays."""
        return wire.Payer(sub_openid=openid) if self.is_sub else wire.Payer(openid=openid)

    def trade_query(self) -> str:
        """The query of a question about a trade."""
        if self.is_sub:
            return f"?sp_mchid={_quoted(self._sp_mchid)}&sub_mchid={_quoted(self._mchid)}"
        return f"?mchid={_quoted(self._mchid)}"

    def sub_query(self, *, first: bool = True) -> str:
        """``sub_mchid`` for the paths that both kinds share; empty for a direct merchant."""
        return f"{'?' if first else '&'}sub_mchid={_quoted(self._mchid)}" if self.is_sub else ""

    @property
    def sub_mchid(self) -> str | None:
        """The same in a body."""
        return self._mchid if self.is_sub else None

    def owns(self, found: wire.Transaction) -> bool:
        """Whether a transaction names exactly this merchant and app."""
        if self.is_sub:
            told = (found.sp_appid, found.sp_mchid, found.sub_mchid)
            return told == (self._sp_appid, self._sp_mchid, self._mchid)
        return (found.appid, found.mchid) == (self._appid, self._mchid)

    def owns_refund(self, found: wire.RefundNotice) -> bool:
        """The same for a refund notice, which names no app."""
        if self.is_sub:
            return (found.sp_mchid, found.sub_mchid) == (self._sp_mchid, self._mchid)
        return found.mchid == self._mchid

    def owns_mixed(self, found: wire_mixed.MixedAnswer) -> bool:
        """The same for a mixed order, as far as it names anybody."""
        app = self._sp_appid if self.is_sub else self._appid
        return found.appid in {None, app} and (
            not self.is_sub or found.sub_mchid in {None, self._mchid}
        )


def _quoted(text: str | None) -> str:
    return quote(text or "", safe="")
