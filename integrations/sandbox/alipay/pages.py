"""The twin's two pages: a stand-in for Alipay's own pay sheet, and what its book page shows.

Marked as a test on their face. Escape whatever they show; send nobody to a foreign host.
"""

import html
import json
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from integrations.sandbox.alipay.book import TradeRow
from integrations.sandbox.alipay.faults import Fault
from integrations.sandbox.alipay.texts import yuan
from integrations.sandbox.book_page import (
    CLEAR,
    CLOCK,
    DELAY,
    TIMES,
    BookPage,
    Card,
    Field,
    Form,
    Table,
    fault_field,
)

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

HEAD = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<title>{title}</title>
<style nonce="{nonce}">
*{{box-sizing:border-box}}
body{{margin:0;background:#eef1f5;color:#191919;font:17px/1.5 -apple-system,"PingFang SC",
"Noto Sans CJK SC","Microsoft YaHei",sans-serif}}
.test{{background:#fff3cd;color:#664d03;text-align:center;padding:10px 16px;font-weight:600}}
main{{max-width:460px;margin:0 auto;padding:24px 16px}}
.card{{background:#fff;border-radius:12px;padding:28px 20px;text-align:center}}
.merchant{{font-size:18px}}
.amount{{font-size:44px;font-weight:600;margin:8px 0 4px}}
.what{{color:#5a5a5a;word-break:break-all}}
.no{{color:#5a5a5a;font-size:14px;word-break:break-all}}
button{{display:block;width:100%;min-height:52px;margin-top:20px;border:0;border-radius:8px;
background:#0b57c2;color:#fff;font-size:19px;font-weight:600}}
button[disabled]{{background:#76808c}}
button.other{{background:#fff;color:#333;border:1px solid #8f8f8f;font-weight:400}}
button:focus-visible,a:focus-visible{{
outline:3px solid #10509b;outline-offset:2px}}
a.back{{display:block;text-align:center;padding:16px;color:#10509b}}
#said{{min-height:28px;margin:16px 0 0;font-weight:600}}
</style></head><body>
<div class="test" role="note">{mark}</div>
"""
CASHIER = """<main><div class="card">
<div class="merchant">{merchant}</div>
<div class="amount">¥{yuan}</div>
<div class="what">{subject}</div>
<div class="no">订单号 {trade_no}</div>
<p id="said" role="status" aria-live="polite">{said}</p>
</div>
<button id="pay"{off}>确认付款</button>
<button id="fail" class="other"{off}>模拟付款失败</button>
{back}
</main>
<script nonce="{nonce}">
const ref={ref},back={back_json},said=document.getElementById("said");
const buttons=[document.getElementById("pay"),document.getElementById("fail")];
async function act(path,good){{
  buttons.forEach(b=>b.disabled=true);said.textContent="处理中…";
  try{{
    const r=await fetch(path,{{method:"POST",headers:{{"Content-Type":"application/json"}},
      body:JSON.stringify(ref)}});
    const j=await r.json();
    if(!r.ok)throw new Error(j.message||"操作失败");
    said.textContent=good;
    if(back)setTimeout(()=>location.assign(back),1200);
  }}catch(e){{said.textContent=e.message;buttons.forEach(b=>b.disabled=false);}}
}}
buttons[0].addEventListener("click",()=>act("pay","付款成功"));
buttons[1].addEventListener("click",()=>act("pay-fail","付款未完成"));
</script></body></html>
"""
STATES = {
    "SHOWN": "",
    "WAIT_BUYER_PAY": "",
    "TRADE_SUCCESS": "已支付",
    "TRADE_FINISHED": "交易已完结",
    "TRADE_CLOSED": "交易已关闭",
}


def cashier(
    *,
    trade: TradeRow,
    merchant: str,
    ref: dict[str, str],
    return_url: str | None,
    nonce: str,
) -> str:
    """The page for one trade. ``ref`` is the body its buttons post."""
    back = ""
    if return_url is not None:
        back = f'<a class="back" href="{html.escape(return_url)}">返回商户</a>'
    head = HEAD.format(nonce=nonce, title="支付宝（沙箱）", mark="沙箱 · 测试收银台，不会扣款")
    return head + CASHIER.format(
        nonce=nonce,
        merchant=html.escape(merchant),
        yuan=yuan(trade.total),
        subject=html.escape(trade.subject),
        trade_no=html.escape(trade.out_trade_no),
        said=STATES[trade.state],
        off="" if STATES[trade.state] == "" else " disabled",
        back=back,
        ref=_script(ref),
        back_json=_script(return_url),
    )


def gone(nonce: str) -> str:
    """No such trade."""
    head = HEAD.format(nonce=nonce, title="支付宝（沙箱）", mark="沙箱")
    return f"{head}<main><p>没有这笔交易，或二维码已失效。</p></main></body></html>"


def book(view: dict[str, Any]) -> BookPage:
    """The book and the forms. Takes what ``book_view`` gives."""
    numbered = Field(name="number", label="订单号或退款号（可空）")
    called = Field(name="path", label="接口名的一部分（可空）")
    add = Form(
        path="faults", submit="注入", fields=[fault_field(Fault), numbered, called, TIMES, DELAY]
    )
    return BookPage(
        partner="支付宝",
        now=datetime.fromisoformat(view["now"]),
        cards=[Card(title="注入故障", forms=[add, CLEAR]), CLOCK],
        tables=_tables(view),
    )


def _tables(view: dict[str, Any]) -> list[Table]:
    return [
        Table(
            title="待发生的故障",
            columns=("故障", "号", "接口", "次数", "延迟毫秒"),
            rows=[
                (f["fault"], f["number"] or "任意", f["path"] or "任意", f["times"], f["delay_ms"])
                for f in view["faults"]
            ],
        ),
        Table(
            title="交易",
            columns=("商户订单号", "支付宝交易号", "方式", "状态", "金额", "已退", "创建", "付款"),
            rows=[
                (t["out_trade_no"], t["trade_no"], t["way"], t["trade_status"], t["total_amount"],
                 yuan(t["refunded_fen"]), t["gmt_create"], t.get("gmt_payment"))
                for t in view["trades"]
            ],
        ),
        Table(
            title="退款",
            columns=("退款请求号", "商户订单号", "状态", "金额"),
            rows=[
                (r["out_request_no"], r["out_trade_no"], r["status"], yuan(r["refund_fen"]))
                for r in view["refunds"]
            ],
        ),
        Table(
            title="通知",
            columns=("通知号", "商户订单号", "交易状态", "次数", "结果"),
            rows=[
                (n["notify_id"], n["out_trade_no"], n["trade_status"], n["tries"], n["state"])
                for n in view["notices"]
            ],
        ),
    ]  # fmt: skip


def allowed_return(url: str | None, own_host: str) -> str | None:
    """The address if it leads to this host or this machine, else None."""
    if not url or len(url) > 1024 or any(ord(char) < 33 for char in url) or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or parts.username is not None:
        return None
    return url if host in LOOPBACK or host == own_host else None


def _script(value: dict[str, str] | str | None) -> str:
    return json.dumps(value, ensure_ascii=True).replace("<", "\\u003c").replace("&", "\\u0026")
