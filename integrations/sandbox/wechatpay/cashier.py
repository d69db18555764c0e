"""The twin's cashier page: a phone-sized stand-in for WeChat's own pay sheet. Chinese, no account.

Marked as a test on its face. Escapes whatever it shows; sends nobody to a foreign host.
"""

import html
import json
from urllib.parse import urlsplit

from integrations.sandbox.wechatpay.book import OrderRow

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

PAGE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<title>微信支付（沙箱）</title>
<style nonce="{nonce}">
*{{box-sizing:border-box}}
body{{margin:0;background:#ededed;color:#191919;font:17px/1.5 -apple-system,"PingFang SC",
"Noto Sans CJK SC","Microsoft YaHei",sans-serif}}
.test{{background:#fff3cd;color:#664d03;text-align:center;padding:10px 16px;font-weight:600}}
main{{max-width:460px;margin:0 auto;padding:24px 16px}}
.card{{background:#fff;border-radius:12px;padding:28px 20px;text-align:center}}
.merchant{{font-size:18px}}
.amount{{font-size:44px;font-weight:600;margin:8px 0 4px}}
.what{{color:#5a5a5a;word-break:break-all}}
.no{{color:#5a5a5a;font-size:14px;word-break:break-all}}
button{{display:block;width:100%;min-height:52px;margin-top:20px;border:0;border-radius:8px;
background:#067a3e;color:#fff;font-size:19px;font-weight:600}}
button[disabled]{{background:#8a8a8a}}
button.other{{background:#fff;color:#333;border:1px solid #b5b5b5;font-weight:400}}
button:focus-visible,a:focus-visible{{outline:3px solid #10509b;outline-offset:2px}}
a.back{{display:block;text-align:center;padding:16px;color:#10509b}}
#said{{min-height:28px;margin:16px 0 0;font-weight:600}}
</style></head><body>
<div class="test" role="note">沙箱 · 测试收银台，不会扣款</div>
<main><div class="card">
<div class="merchant">{merchant}</div>
<div class="amount">¥{yuan}</div>
<div class="what">{description}</div>
<div class="no">订单号 {trade_no}</div>
<p id="said" role="status" aria-live="polite">{said}</p>
</div>
<button id="pay"{off}>立即支付</button>
<button id="fail" class="other"{off}>模拟支付失败</button>
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
buttons[0].addEventListener("click",()=>act("pay","支付成功"));
buttons[1].addEventListener("click",()=>act("pay-fail","支付未完成"));
</script></body></html>
"""

GONE = """<!doctype html><html lang="zh-CN"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>微信支付（沙箱）</title>
<p>沙箱 · 没有这笔订单，或二维码已失效。</p></html>
"""

STATES = {
    "NOTPAY": "",
    "SUCCESS": "已支付",
    "REFUND": "已支付，发生过退款",
    "CLOSED": "订单已关闭",
    "REVOKED": "订单已撤销",
}


def page(
    *,
    order: OrderRow,
    merchant: str,
    ref: dict[str, str],
    return_url: str | None,
    nonce: str,
) -> str:
    """The page for one order. ``ref`` is the body its buttons post."""
    back = ""
    if return_url is not None:
        back = f'<a class="back" href="{html.escape(return_url)}">返回商户</a>'
    return PAGE.format(
        nonce=nonce,
        merchant=html.escape(merchant),
        yuan=f"{order.total // 100}.{order.total % 100:02d}",
        description=html.escape(order.description),
        trade_no=html.escape(order.out_trade_no),
        said=STATES.get(order.state, order.state),
        off="" if order.state == "NOTPAY" else " disabled",
        back=back,
        ref=_script(ref),
        back_json=_script(return_url),
    )


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
