"""The twin's book as a page, with a form that injects a fault. Marked as a test on its face."""

import html
from collections.abc import Sequence

from integrations.sandbox.fiscal.book import BillRow
from integrations.sandbox.fiscal.faults import Fault

ROWS_MAX = 200
COLUMNS = ("业务流水号", "票据代码", "票据号码", "金额", "红票代码", "红票号码", "冲红原因")
METHODS = (
    "invoiceEBillOutpatient",
    "invEBillHospitalized",
    "getEBillByBusNo",
    "writeOffEBill",
    "getEBillStatesByBillInfo",
)

PAGE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<title>财政电子票据（沙箱）</title>
<style nonce="{nonce}">
*{{box-sizing:border-box}}
body{{margin:0;background:#eef1f5;color:#191919;font:17px/1.5 -apple-system,"PingFang SC",
"Noto Sans CJK SC","Microsoft YaHei",sans-serif}}
.test{{background:#fff3cd;color:#664d03;text-align:center;padding:10px 16px;font-weight:600}}
main{{max-width:1100px;margin:0 auto;padding:24px 16px}}
h1{{font-size:22px;margin:0 0 8px}}h2{{font-size:18px;margin:0 0 8px}}
.card{{background:#fff;border-radius:12px;padding:16px 20px;margin-bottom:16px}}
.scroll{{overflow-x:auto}}
table{{border-collapse:collapse;width:100%;font-size:14px}}
th,td{{text-align:left;padding:6px 10px;border-bottom:1px solid #dde2e8;white-space:nowrap}}
.fields{{display:flex;flex-wrap:wrap;gap:12px;align-items:end}}
.fields label{{display:block;font-size:14px;flex:1 1 180px}}
.fields input,.fields select{{display:block;width:100%;min-height:44px;font-size:16px;
padding:6px 8px;border:1px solid #8f8f8f;border-radius:8px;background:#fff}}
button{{min-height:44px;padding:0 20px;font-size:16px;border:0;border-radius:8px;
background:#0b57c2;color:#fff;font-weight:600}}
button.other{{background:#fff;color:#333;border:1px solid #8f8f8f;font-weight:400}}
button:focus-visible,input:focus-visible,select:focus-visible{{
outline:3px solid #10509b;outline-offset:2px}}
</style></head><body>
<div class="test" role="note">沙箱 · 测试票据，没有效力</div>
<main><h1>财政电子票据沙箱账本</h1>
<div class="card"><h2>注入故障</h2><div class="fields">
<label>故障<select id="fault">{faults}</select></label>
<label>方法（可空）<select id="method"><option value=""></option>{methods}</select></label>
<label>流水号或票据号码（可空）<input id="number" maxlength="64" autocomplete="off"></label>
<label>次数<input id="times" inputmode="numeric" value="1" maxlength="5"></label>
<label>延迟毫秒<input id="delay" inputmode="numeric" value="0" maxlength="8"></label>
<button id="add">注入</button><button id="clear" class="other">清除全部</button>
</div><p id="said" role="status" aria-live="polite"></p></div>
<div class="card scroll" tabindex="0"><table><thead><tr>{heads}</tr></thead>
<tbody>{rows}</tbody></table></div>
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
  for(const name of ["method","number"])if(of(name))body[name]=of(name);
  act("faults",body);
}});
document.getElementById("clear").addEventListener("click",()=>act("faults/clear",{{}}));
</script></body></html>
"""


def book(bills: Sequence[BillRow], nonce: str) -> str:
    """The newest bills, escaped; nothing of whose they are."""
    rows = "".join(_row(bill) for bill in reversed(bills[-ROWS_MAX:]))
    return PAGE.format(
        nonce=nonce,
        faults="".join(f"<option>{fault.value}</option>" for fault in Fault),
        methods="".join(f"<option>{name}</option>" for name in METHODS),
        heads="".join(f'<th scope="col">{name}</th>' for name in COLUMNS),
        rows=rows,
    )


def _row(bill: BillRow) -> str:
    cells = (
        bill.bus_no,
        bill.batch,
        bill.number,
        f"¥{bill.total // 100}.{bill.total % 100:02d}",
        bill.red_batch,
        bill.red_number,
        bill.red_reason,
    )
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
