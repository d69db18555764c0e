"""The page on which people see a twin's book, script its faults and let its clock jump.

One page for all twins: each says what stands in its tables and which of its control routes its
forms call. Everything shown is escaped; no style or script runs but the page's own.
"""

import html
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response

from integrations.sandbox.fault_plan import F, ScriptedFault
from integrations.sandbox.fault_words import in_words

BEIJING = timezone(timedelta(hours=8))
ROWS_MAX = 200
"""The newest rows of a table that are shown; its title counts all."""
JUMP_MAX_S = 10 * 366 * 86_400
Shape = Literal["object", "objects", "values"]
"""How a form's fields are sent: as one object, as a list of one object, or as a list of values."""
Choices = Sequence[tuple[str, str]]


class Jump(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of ``/sandbox/clock``: how many seconds business time moves on."""

    forward_s: Annotated[int, msgspec.Meta(ge=0, le=JUMP_MAX_S)]


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One input. ``choices`` are values with their words; an empty input is not sent."""

    name: str
    label: str
    kind: Literal["text", "number"] = "text"
    value: str = ""
    choices: Choices = ()


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a control route; ``path`` is relative to the page."""

    path: str
    submit: str
    fields: Sequence[Field] = ()
    method: Literal["POST", "DELETE"] = "POST"
    shape: Shape = "object"


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """Forms that belong together."""

    title: str
    forms: Sequence[Form]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the book, oldest row first; the page shows the newest first."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


class BookPage(msgspec.Struct, frozen=True, kw_only=True):
    """What one twin shows. ``now`` is its business time, shown as Beijing's."""

    partner: str
    now: datetime
    cards: Sequence[Card]
    tables: Sequence[Table]


def yuan(fen: int) -> str:
    """``-1234`` as ``-12.34``."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def fault_field(faults: Iterable[str], name: str = "fault") -> Field:
    """The choice among a twin's faults, each with what it does."""
    return Field(
        name=name, label="故障", choices=[(str(one), f"{one} · {in_words(one)}") for one in faults]
    )


def faults_of_methods(
    faults: Iterable[str], methods: Iterable[str], number: str, waiting: Sequence[ScriptedFault[F]]
) -> tuple[Card, Table]:
    """For twins whose faults are told by method and number: the form, and those that wait.

    :param number: what the field of the number says, e.g. ``理赔号（可空）``.
    """
    method = Field(name="method", label="方法", choices=[("", "任意"), *((m, m) for m in methods)])
    numbered = Field(name="number", label=number)
    fields = [fault_field(faults), method, numbered, TIMES, DELAY]
    card = Card(title="注入故障", forms=[Form(path="faults", submit="注入", fields=fields), CLEAR])
    table = Table(
        title="待发生的故障",
        columns=("故障", "号", "方法", "次数", "延迟毫秒"),
        rows=[
            (one.fault, one.number or "任意", one.method or "任意", one.times, one.delay_ms)
            for one in waiting
        ],
    )
    return card, table


TIMES = Field(name="times", label="次数", kind="number", value="1")
DELAY = Field(name="delay_ms", label="延迟（毫秒）", kind="number", value="0")
CLEAR = Form(path="faults/clear", submit="清除全部故障")
CLOCK = Card(
    title="拨快业务时间",
    forms=[
        Form(
            path="clock",
            submit="拨快",
            fields=[
                Field(
                    name="forward_s",
                    label="拨快多少",
                    kind="number",
                    choices=[
                        ("60", "1 分钟"),
                        ("3600", "1 小时"),
                        ("86400", "1 天"),
                        ("2592000", "30 天"),
                    ],
                )
            ],
        )
    ],
)
"""For twins whose ``/sandbox/clock`` takes ``forward_s``. Their clocks never go back."""


def show(page: BookPage) -> Response[Any]:
    """The page as an answer that runs nothing but its own style and script."""
    nonce = secrets.token_urlsafe(16)
    headers = {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}';"
            " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        ),
    }
    return Response(_text(page, nonce), media_type="text/html", headers=headers)


def index_text(title: str, books: Iterable[str], others: Iterable[str]) -> str:
    """The page that leads to all books; ``others`` are twins that keep none."""
    links = "".join(f'<li><a href="/{one}/sandbox/">{one}</a></li>' for one in books)
    return (
        f'<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>"
        f'<div class="test" role="note">沙箱 · 这里没有一分真钱</div><main><h1>各方孪生系统</h1>'
        f'<p class="now">点开可看账本、注入故障、拨快时间</p>'
        f'<section class="card"><ul>{links}</ul></section>'
        f"<p>没有账本的：{'、'.join(sorted(others))}</p></main></body></html>\n"
    )


def _text(page: BookPage, nonce: str) -> str:
    partner = html.escape(page.partner)
    now = page.now.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")
    return (
        f'<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">'
        f'<title>{partner}（沙箱）</title><style nonce="{nonce}">{STYLE}</style></head><body>'
        f'<div class="test" role="note">沙箱 · 这里没有一分真钱</div><main>'
        f"<h1>{partner}沙箱账本</h1>"
        f'<p class="now">业务时间 <strong>{now}</strong></p>'
        f'<div class="cards">{"".join(map(_card, page.cards))}</div>'
        f"{''.join(map(_table, page.tables))}</main>"
        f'<script nonce="{nonce}">{SCRIPT}</script></body></html>\n'
    )


def _card(card: Card) -> str:
    forms = "".join(map(_form, card.forms))
    return f'<section class="card"><h2>{html.escape(card.title)}</h2>{forms}</section>'


def _form(form: Form) -> str:
    kind = "" if form.fields else ' class="other"'
    return (
        f'<form data-path="{html.escape(form.path)}" data-method="{form.method}"'
        f' data-shape="{form.shape}">{"".join(map(_field, form.fields))}'
        f"<button{kind}>{html.escape(form.submit)}</button>"
        f'<p class="said" role="status"></p></form>'
    )


def _field(field: Field) -> str:
    own = f'name="{html.escape(field.name)}" data-kind="{field.kind}"'
    if field.choices:
        options = "".join(
            f'<option value="{html.escape(value)}">{html.escape(words)}</option>'
            for value, words in field.choices
        )
        shown = f"<select {own}>{options}</select>"
    elif field.kind == "number":
        shown = f'<input {own} type="number" min="0" value="{html.escape(field.value)}">'
    else:
        shown = (
            f'<input {own} maxlength="256" autocomplete="off" value="{html.escape(field.value)}">'
        )
    return f"<label>{html.escape(field.label)}{shown}</label>"


def _table(table: Table) -> str:
    title = html.escape(table.title)
    count = len(table.rows)
    if count == 0:
        body = '<p class="none">暂无</p>'
    else:
        head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in table.columns)
        lines = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_cell(cell))}</td>" for cell in row) + "</tr>"
            for row in table.rows[: -ROWS_MAX - 1 : -1]
        )
        body = (
            f'<div class="scroll" tabindex="0" role="region" aria-label="{title}"><table>'
            f"<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"
        )
    more = f"，列出最新 {ROWS_MAX} 笔" if count > ROWS_MAX else ""
    return f'<section class="card"><h2>{title}（{count}{more}）</h2>{body}</section>'


def _cell(value: object) -> str:
    return "" if value is None else str(value)


STYLE = """
*{box-sizing:border-box}
body{margin:0;background:#eef1f5;color:#191919;font:16px/1.5 -apple-system,"PingFang SC",
"Noto Sans CJK SC","Microsoft YaHei",sans-serif}
.test{background:#fff3cd;color:#664d03;text-align:center;padding:10px 16px;font-weight:600}
main{max-width:1200px;margin:0 auto;padding:24px 16px 48px}
h1{font-size:24px;line-height:1.3;margin:0}
h2{font-size:17px;margin:0 0 12px}
.now{margin:4px 0 20px;color:#4a4f57}
.now strong{color:#191919;font-variant-numeric:tabular-nums}
.card{background:#fff;border-radius:12px;padding:16px 20px;margin:0 0 16px}
.cards{display:flex;flex-wrap:wrap;gap:0 16px;align-items:stretch}
.cards .card{flex:1 1 300px;min-width:0}
.cards .card:first-child{flex:3 1 560px}
form{display:flex;flex-wrap:wrap;gap:12px;align-items:end;margin:0}
form+form{margin-top:12px}
label{display:block;font-size:14px;color:#4a4f57;flex:1 1 160px;min-width:0}
label:has(select){flex:2 1 240px}
input,select{display:block;width:100%;min-height:44px;margin-top:4px;padding:6px 10px;font:inherit;
color:#191919;background:#fff;border:1px solid #767c85;border-radius:8px}
button{flex:0 0 auto;min-height:44px;padding:0 20px;border:1px solid #0b57c2;border-radius:8px;
background:#0b57c2;color:#fff;font:inherit;font-weight:600;cursor:pointer}
button.other{background:#fff;color:#333;border-color:#767c85;font-weight:400}
button:disabled{background:#76808c;border-color:#76808c;color:#fff}
:focus-visible{outline:3px solid #10509b;outline-offset:2px}
.said{flex:1 1 100%;margin:0;color:#a32116;font-weight:600}
.said:empty{display:none}
.scroll{overflow-x:auto;margin:0 -20px;padding:0 20px}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:8px 12px 8px 0;border-bottom:1px solid #dde2e8;white-space:nowrap}
th{color:#4a4f57;font-weight:600}
tbody tr:last-child td{border-bottom:0}
ul{margin:0;padding-left:20px}
li a{display:inline-block;padding:10px 0;color:#0b57c2}
.none{margin:0;color:#5a5f67}
@media (max-width:480px){form button{flex:1 1 100%}}
"""
SCRIPT = """
for(const form of document.forms)form.addEventListener("submit",async(event)=>{
  event.preventDefault();
  const body={},said=form.querySelector(".said"),button=form.querySelector("button");
  for(const field of form.elements){
    const text=field.name?field.value.trim():"";
    if(text)body[field.name]=field.dataset.kind==="number"?Number(text):text;
  }
  const {path,method,shape}=form.dataset;
  const sent={object:body,objects:[body],values:Object.values(body)}[shape];
  const call={method};
  if(method==="POST"){
    call.headers={"Content-Type":"application/json"};
    call.body=JSON.stringify(sent);
  }
  button.disabled=true;
  try{
    const answer=await fetch(path,call);
    if(answer.ok){location.reload();return;}
    const told=await answer.json().catch(()=>({}));
    said.textContent=told.message||`操作失败（${answer.status}）`;
  }catch{said.textContent="连不上沙箱";}
  button.disabled=false;
});
"""
