"""The twin's two pages: a stand-in for Alipay's own pay sheet, and its book with a fault form.

Marked as a test on their face. Escape whatever they show; send nobody to a foreign host.
"""

import html
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from integrations.sandbox.alipay.book import TradeRow
from integrations.sandbox.alipay.faults import Fault
from integrations.sandbox.alipay.texts import yuan

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
ROWS_MAX = 200

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
main.wide{{max-width:1100px}}
.card{{background:#fff;border-radius:12px;padding:28px 20px;text-align:center}}
.card.left{{text-align:left;padding:16px 20px;margin-bottom:16px}}
.merchant{{font-size:18px}}
.amount{{font-size:44px;font-weight:600;margin:8px 0 4px}}
.what{{color:#5a5a5a;word-break:break-all}}
.no{{color:#5a5a5a;font-size:14px;word-break:break-all}}
button{{display:block;width:100%;min-height:52px;margin-top:20px;border:0;border-radius:8px;
background:#0b57c2;color:#fff;font-size:19px;font-weight:600}}
button[disabled]{{background:#76808c}}
button.other{{background:#fff;color:#333;border:1px solid #8f8f8f;font-weight:400}}
button:focus-visible,a:focus-visible,input:focus-visible,select:focus-visible{{
outline:3px solid #10509b;outline-offset:2px}}
a.back{{display:block;text-align:center;padding:16px;color:#10509b}}
#said{{min-height:28px;margin:16px 0 0;font-weight:600}}
h1{{font-size:22px;margin:0 0 8px}}h2{{font-size:18px;margin:0 0 8px}}
.scroll{{overflow-x:auto}}
table{{border-collapse:collapse;width:100%;font-size:14px}}
th,td{{text-align:left;padding:6px 10px;border-bottom:1px solid #dde2e8;white-space:nowrap}}
.fields{{display:flex;flex-wrap:wrap;gap:12px;align-items:end}}
.fields label{{display:block;font-size:14px;flex:1 1 180px}}
.fields input,.fields select{{display:block;width:100%;min-height:44px;font-size:16px;
padding:6px 8px;border:1px solid #8f8f8f;border-radius:8px;background:#fff}}
.fields button{{width:auto;flex:0 0 auto;min-height:44px;margin:0;padding:0 20px;font-size:16px}}
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
BOOK = """<main class="wide"><h1>支付宝沙箱账本</h1>
<p class="no">业务时间 {now}</p>
<div class="card left"><h2>注入故障</h2><div class="fields">
<label>故障<select id="fault">{options}</select></label>
<label>订单号或退款号（可空）<input id="number" maxlength="64" autocomplete="off"></label>
<label>次数<input id="times" inputmode="numeric" value="1" maxlength="5"></label>
<label>延迟毫秒<input id="delay" inputmode="numeric" value="0" maxlength="8"></label>
<button id="add">注入</button><button id="clear" class="other">清除全部</button>
</div><p id="said" role="status" aria-live="polite"></p></div>
{tables}
</main>
<script nonce="{nonce}">
const said=document.getElementById("said"),of=id=>document.getElementById(id).value.trim();
async function act(path,body){{
  const r=await fetch(path,{{method:"POST",headers:{{"Content-Type":"application/json"}},
    body:JSON.stringify(body)}});
  const j=await r.json();
  if(!r.ok){{said.textContent=j.message||"操作失败";return;}}
  location.reload();
}}
document.getElementById("add").addEventListener("click",()=>{{
  const body={{fault:of("fault"),times:Number(of("times")),delay_ms:Number(of("delay"))}};
  if(of("number"))body.number=of("number");
  act("faults",body);
}});
document.getElementById("clear").addEventListener("click",()=>act("faults/clear",{{}}));
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


def book(view: dict[str, Any], nonce: str) -> str:
    """The book, newest first, and the form."""
    trades = [
        (t["out_trade_no"], t["trade_no"], t["way"], t["trade_status"], t["total_amount"],
         yuan(t["refunded_fen"]), t["gmt_create"], t.get("gmt_payment", ""))
        for t in view["trades"]
    ]  # fmt: skip
    refunds = [
        (r["out_request_no"], r["out_trade_no"], r["status"], yuan(r["refund_fen"]))
        for r in view["refunds"]
    ]
    notices = [
        (n["notify_id"], n["out_trade_no"], n["trade_status"], n["tries"], n["state"])
        for n in view["notices"]
    ]
    faults = [
        (f["fault"], f["number"] or "任意", f["times"], f["delay_ms"]) for f in view["faults"]
    ]
    head = HEAD.format(nonce=nonce, title="支付宝沙箱账本", mark="沙箱 · 这里没有一分真钱")
    return head + BOOK.format(
        nonce=nonce,
        now=html.escape(view["now"]),
        options="".join(f"<option>{fault.value}</option>" for fault in Fault),
        tables=_table("待发生的故障", ("故障", "号", "次数", "延迟毫秒"), faults)
        + _table(
            "交易",
            ("商户订单号", "支付宝交易号", "方式", "状态", "金额", "已退", "创建", "付款"),
            trades,
        )
        + _table("退款", ("退款请求号", "商户订单号", "状态", "金额"), refunds)
        + _table("通知", ("通知号", "商户订单号", "交易状态", "次数", "结果"), notices),
    )


def _table(title: str, names: Sequence[str], rows: list[tuple[Any, ...]]) -> str:
    shown = rows[: -ROWS_MAX - 1 : -1]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    lines = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in shown
    )
    body = (
        f'<div class="scroll" tabindex="0"><table><tr>{head}</tr>{lines}</table></div>'
        if shown
        else '<p class="no">暂无</p>'
    )
    return f'<div class="card left"><h2>{title}（{len(rows)}）</h2>{body}</div>'


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
