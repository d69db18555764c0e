"""The pages' own modules, run in the browser that will run them, and how their files are served."""

import gzip
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page

from service.web.assets import HOLDER, WORKER, load_assets
from service.web.routes import WORKER_POLICY, PageSettings, content_policy
from tests.e2e.conftest import NewPage
from tests.support.page_backend import PageBackend

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "sm.json").read_text(encoding="utf-8")
)
ROOT = Path(__file__).parents[2]
CODE = "YM1:" + "0A1B2C3D4E$*-.:" * 10


@pytest.fixture
def page(new_page: NewPage, backend: PageBackend) -> Page:
    """A page of our origin from which our modules can be imported."""
    found = new_page(390, 844)
    found.goto(backend.base_url + "/")
    return found


def run(page: Page, name: str, body: str, given: object) -> Any:
    """Call ``body`` with the module ``m`` and the argument ``given``."""
    script = f"async (given) => {{ const m = await import('/static/x/{name}'); {body} }}"
    return page.evaluate(script, given)


HEX = """
const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hex = (of) => Array.from(of, (byte) => byte.toString(16).padStart(2, "0")).join("");
"""


def test_sm3(page: Page) -> None:
    messages = [case["msg"] * case["repeat"] for case in VECTORS["sm3"]]
    body = HEX + "return given.map((message) => hex(m.sm3(bytes(message))))"
    assert run(page, "sm3.js", body, messages) == [case["digest"] for case in VECTORS["sm3"]]


def test_hmac_sm3(page: Page) -> None:
    body = HEX + "return given.map(({ key, msg }) => hex(m.hmacSm3(bytes(key), bytes(msg))))"
    cases = VECTORS["hmac_sm3"]
    assert run(page, "sm3.js", body, cases) == [case["mac"] for case in cases]


GUN = """
let now = 0;
const got = { read: [], refused: 0, stopped: 0 };
const gun = new m.Scanner({
  read: (text) => got.read.push(text), refused: () => { got.refused += 1; }, clock: () => now });
const key = (k, gap, more = {}) => {
  now += gap;
  gun.hear({ key: k, code: "", preventDefault: () => { got.stopped += 1; },
    stopPropagation: () => {}, ...more });
};
const type = (text, gap) => { for (const char of text) key(char, gap); };
"""


def test_a_gun_is_heard_fast_and_slow(page: Page) -> None:
    body = (
        GUN
        + """
    type(given, 1); key("Enter", 1); now += 5000;
    type(given + "X", 300); key("Enter", 300); now += 5000;
    type("990001195904120019", 20); key("Tab", 20); return got;"""
    )
    got = run(page, "kiosk/scanner.js", body, CODE)
    assert got["read"] == [CODE, CODE + "X", "990001195904120019"]
    assert got["refused"] == 0


def test_stray_taps_doubles_and_floods_change_nothing(page: Page) -> None:
    body = (
        GUN
        + """
    key("a", 0); type(given, 500); key("Enter", 1);
    type(given, 1); key("Enter", 1);
    now += 9000; type(given.slice(0, 60), 1); type(given, 1); key("Enter", 1);
    now += 9000; type("A".repeat(5000), 1); key("Enter", 1);
    now += 9000; type("990001", 1); now += 1500; type("123", 900); key("Enter", 900);
    return got;"""
    )
    got = run(page, "kiosk/scanner.js", body, CODE)
    # The first is cut to its prefix; the second, within moments, is the same code and is dropped;
    # the third comes after the half of another. Slow digits before a pause count for nothing.
    assert got["read"] == [CODE, CODE]
    assert got["refused"] == 1


def test_an_input_method_cannot_garble_a_code(page: Page) -> None:
    body = (
        GUN
        + """
    const places = { "$": ["Digit4", true], "*": ["Digit8", true], ":": ["Semicolon", true],
      "-": ["Minus", false], ".": ["Period", false] };
    for (const char of given) {
      const [code, shiftKey] = places[char] ??
        (/\\d/.test(char) ? [`Digit${char}`, false] : [`Key${char}`, true]);
      key("Process", 2, { code, shiftKey, isComposing: true });
    }
    key("Enter", 2);
    now += 9000;
    for (const char of given) {
      key({ ":": "：", ".": "。", "$": "￥" }[char] ?? char.toLowerCase(), 2);
    }
    key("Enter", 2); return got;"""
    )
    assert run(page, "kiosk/scanner.js", body, CODE)["read"] == [CODE, CODE]


def test_money_is_written_without_arithmetic_on_fractions(page: Page) -> None:
    body = "return given.map((fen) => m.yuan(fen))"
    amounts = [0, 5, 10, 1234, 123_456_789, -5, 100_000_000_000, None, 1.5]
    assert run(page, "amounts.js", body, amounts) == [
        "0.00",
        "0.05",
        "0.10",
        "12.34",
        "1,234,567.89",
        "-0.05",
        "1,000,000,000.00",
        "—",
        "—",
    ]


def test_what_is_given_back_is_rounded_as_a_bill_and_goes_to_the_tender_used_last(
    page: Page,
) -> None:
    body = """
    const line = { quantity_e4: 35_000, unit_price_e6: 18_900_000, amount_fen: 6_615 };
    const paid = (provider, amount_fen, refunded_fen, returning_fen) =>
      ({ provider, amount_fen, refunded_fen, returning_fen });
    const tenders = [paid("cash", 1_000, 0, 0), paid("alipay", 5_615, 15, 600)];
    return [given.map((back_e4) => m.restFen(line, back_e4)),
      ["1.5", "０。２５", "1.00001", "-1", "", "1e3"].map(parts.quantityOf),
      m.divideBack(tenders, 5_500).map((one) => [one.provider, one.amount_fen]),
      m.divideBack(tenders, Infinity).map((one) => one.amount_fen)];"""
    body = "const parts = await import('/static/x/counter/parts.js');" + body
    assert run(page, "counter/giving.js", body, [0, 35_000, 10_000, 5, 34_995]) == [
        [6_615, 0, 4_725, 6_614, 1],
        [15_000, 2_500, None, None, None, None],
        [["alipay", 5_000], ["cash", 500]],
        [5_000, 1_000],
    ]


def test_what_the_readme_names_stands_on_the_pages() -> None:
    steps = (
        (ROOT / "README.md")
        .read_text(encoding="utf-8")
        .split("## Watch it work")[1]
        .split("\n## ")[0]
    )
    named = set(re.findall(r"[\u4e00-\u9fff]+", steps)) - {"测试己"}
    files = load_assets().files
    books = [asset.body.decode() for name, asset in files.items() if name.endswith("words.js")]
    shown = re.findall(r'"([^"\n]*)"', "".join(books))
    assert "扫不上怎么办" in named
    assert {name for name in named if not any(text.startswith(name) for text in shown)} == set()


@pytest.mark.parametrize("folder", ["resident", "kiosk", "counter", "console"])
def test_both_languages_have_every_text(page: Page, folder: str) -> None:
    body = "return (await import('/static/x/language.js')).unmatchedWords()"
    assert run(page, f"{folder}/words.js", body, None) == []


def test_the_cashier_is_given_the_order_and_the_way_back(page: Page) -> None:
    body = """
    const config = { sandbox: true, cashier_url: "http://127.0.0.1:9/cashier" };
    const payment = { client_parameters: { package: "prepay_id=wx1" } };
    return [m.cashierAddress(config, payment, "http://x/#/settlement/S"),
      m.cashierAddress({ ...config, sandbox: false }, payment, "http://x/"),
      m.cashierAddress(config, { ...payment, cashier_url: "javascript:alert(1)" }, "x")];"""
    assert run(page, "resident/paying.js", body, None) == [
        "http://127.0.0.1:9/cashier?prepay_id=wx1&return_url=http%3A%2F%2Fx%2F%23%2Fsettlement%2FS",
        None,
        None,
    ]


def test_files_are_cached_for_good_by_version_and_pages_are_asked_for_again(
    page: Page, backend: PageBackend
) -> None:
    version = (page.locator("script").get_attribute("src") or "").split("/")[2]
    kept = page.request.get(f"{backend.base_url}/static/{version}/kiosk/app.js")
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert kept.headers["content-type"].startswith("text/javascript")
    assert kept.headers["content-encoding"] == "gzip"
    other = page.request.get(f"{backend.base_url}/static/older/kiosk/app.js")
    assert other.headers["cache-control"] == "no-cache"
    start = page.request.get(f"{backend.base_url}/kiosk")
    assert start.headers["cache-control"] == "no-cache"
    again = page.request.get(
        f"{backend.base_url}/kiosk", headers={"If-None-Match": start.headers["etag"]}
    )
    assert (again.status, again.body()) == (304, b"")
    for name in ("../routes.py", "kiosk/index.html", "kiosk", "%2e%2e/assets.py", "nothing.js"):
        assert page.request.get(f"{backend.base_url}/static/{version}/{name}").status == 404


def test_comments_stay_at_home_and_line_numbers_stay_right() -> None:
    for name, asset in load_assets().files.items():
        if not name.endswith(".js") or name.startswith("built/"):
            continue
        folder = "" if "/" in name else "static/"
        source = (ROOT / "service/web" / folder / name).read_text(encoding="utf-8")
        served = asset.body.decode()
        assert not re.search(r"^\s*(//|/\*\*)", served, re.MULTILINE), name
        pairs = zip(source.splitlines(), served.splitlines(), strict=True)
        kept = [(there, here) for there, here in pairs if here]
        assert len(kept) > len(source.splitlines()) / 2
        assert all(there == here or "{{" in there for there, here in kept), name


def test_pages_are_small() -> None:
    assets = load_assets()
    sizes = {name: len(asset.gzipped) for name, asset in assets.files.items()}
    first_load = sum(
        size
        for name, size in sizes.items()
        if not name.startswith(("kiosk/", "counter/", "console/", "built/"))
    )
    assert first_load < 60_000
    assert sizes.get(HOLDER, 0) < 40_000
    assert all(gzip.decompress(asset.gzipped) == asset.body for asset in assets.files.values())


def test_the_policy_allows_own_files_and_the_login_twin_only() -> None:
    live = PageSettings(sandbox=False, login_twin_url="http://twin:1/x", cashier_url=None)
    twin = PageSettings(sandbox=True, login_twin_url="http://twin:1/x", cashier_url=None)
    assert "connect-src 'self';" in content_policy(live)
    assert "connect-src 'self' http://twin:1;" in content_policy(twin)
    assert "trusted-types 'none'" in content_policy(live)
    assert "trusted-types worker" in content_policy(live, worker=True)
    policies = [content_policy(live), content_policy(twin), content_policy(live, worker=True)]
    for policy in policies:
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy


def test_the_worker_answers_for_the_whole_origin_and_lists_what_the_page_opens_with(
    page: Page, backend: PageBackend
) -> None:
    worker = page.request.get(f"{backend.base_url}/worker.js")
    assert worker.headers["content-type"].startswith("text/javascript")
    assert worker.headers["cache-control"] == "no-cache"
    assert worker.headers["content-security-policy"] == WORKER_POLICY
    assert "{{" not in worker.text()
    files = load_assets(folders={"static": "", "resident": "resident/"}).files
    for name in files:
        is_opened_with = name.endswith((".js", ".css", ".svg")) and name != WORKER
        assert (name in worker.text()) == is_opened_with
    assert "kiosk/" not in worker.text()


CLOCK = """
const trip = { sent_ms: 1_000_000, received_ms: 1_004_000, steady_ms: 4_000 };
const at = (given) => m.readClock({ ...trip, ...given });
return [
  at({ said: "1970-01-01T00:17:02.000Z" }), at({ date: "Thu, 01 Jan 1970 00:17:02 GMT" }),
  at({ said: "1970-01-01T00:17:02.000Z", date: "Thu, 01 Jan 1970 01:00:00 GMT" }),
  at({ received_ms: 1_020_000, steady_ms: 20_000, said: "1970-01-01T00:17:02Z" })?.ahead_ms,
  at({ received_ms: 1_020_001, steady_ms: 20_001, said: "1970-01-01T00:17:02Z" }),
  at({ received_ms: 999_999, steady_ms: 0, said: "1970-01-01T00:17:02Z" }),
  at({ steady_ms: 900, said: "1970-01-01T00:17:02Z" }),
  at({ said: "never" }), at({ said: 1022, date: null }), at({}),
];"""


def test_the_clock_is_heard_at_the_middle_of_a_round_trip(page: Page) -> None:
    assert run(page, "clock.js", CLOCK, None) == [
        {"ahead_ms": 20_000, "unsure_ms": 2_000},
        {"ahead_ms": 20_500, "unsure_ms": 2_500},
        {"ahead_ms": 20_000, "unsure_ms": 2_000},
        12_000,
        *[None] * 6,
    ]


def test_a_vaguer_clock_gives_way_unless_the_sharper_one_is_contradicted(page: Page) -> None:
    body = "return given.map(([before, heard]) => m.betterClock(before, heard))"
    sharp, vague = {"ahead_ms": 100, "unsure_ms": 50}, {"ahead_ms": 2_000, "unsure_ms": 2_500}
    moved = {"ahead_ms": 9_000, "unsure_ms": 2_500}
    pairs = [
        [None, vague],
        [vague, sharp],
        [sharp, vague],
        [sharp, moved],
        [sharp, None],
        [None, None],
    ]
    assert run(page, "clock.js", body, pairs) == [vague, sharp, sharp, moved, sharp, None]


def test_a_clock_told_by_an_answer_of_its_own_is_taken_before_the_date_header(page: Page) -> None:
    page.route(
        "**/v1/clock",
        lambda route: route.fulfill(json={"server_time": "2030-01-01T00:00:00Z"}),
    )
    page.route(
        "**/v1/cached",
        lambda route: route.fulfill(
            json={"server_time": "2040-01-01T00:00:00Z"}, headers={"Age": "3600"}
        ),
    )
    body = """
    await m.exchange({ method: "GET", path: "/v1/clock", once: true });
    await m.exchange({ method: "GET", path: "/v1/cached", once: true });
    return new Date(m.serverNow()).getUTCFullYear();"""
    assert run(page, "exchange.js", body, None) in (2029, 2030)


def test_only_an_offer_is_taken_from_a_tills_symbol(page: Page) -> None:
    body = "return given.map((read) => m.offerText(read))"
    text = "YMO1:0A$*.-:Z"
    own = "YM1:CC" + "0" * 289
    taken = [
        text,
        f" {text}\n",
        f"https://code.example/#/offer/{text}",
        f"http://h:1/a/#/offer/{text}",
        # What readers undo in a code is undone here too.
        *(text.lower(), " ".join(text), f"{text[:7]}\r\n{text[7:]}", f"\ufeff{text}%20"),
        *("".join(chr(ord(letter) + 0xFEE0) for letter in form) for form in (text, text.lower())),
        "ymo1∶0a￥×。—：z",
        f"HTTPS://code.example/#/offer/{quote(text, safe='')}",
    ]
    refused = [
        *("", "YMO1:", "YM1:0A", f"x{text}", f"{text}/x", f"{text}é", f"{text}ſ", f"{text}%"),
        *(f"javascript:#/offer/{text}", f"https://h/?q={text}", f"YMO1:{'0' * 462}"),
        *(" " * 1_281 + text, own),
    ]
    assert run(page, "resident/scan.js", body, taken + refused) == [text] * len(taken) + [
        None
    ] * len(refused)


def test_a_phone_is_called_by_its_make_and_browser(page: Page) -> None:
    body = """return Promise.all(given.map(([userAgent, model]) => m.deviceName({ userAgent,
      userAgentData: { getHighEntropyValues: async () => ({ model }) } })))"""
    android = "Mozilla/5.0 (Linux; Android 14) Chrome/120 Mobile Safari/537.36"
    given = [
        [android, "23127PN0CC"],
        [android + " MicroMessenger/8", "A\u202eB\u200b<b>"],
        ["Mozilla/5.0 (iPhone; CPU iPhone OS 17_0) Version/17 Safari/604.1", ""],
        [android, "x" * 60],
        ["", ""],
    ]
    named = run(page, "resident/phone.js", body, given)
    assert named[:3] == ["Android 23127PN0CC · Chrome", "Android ABb · WeChat", "iPhone · Safari"]
    assert len(named[3]) == 40
    assert named[4] == ""
    bare = "return m.deviceName({ userAgent: given })"
    assert run(page, "resident/phone.js", bare, android) == "Android · Chrome"


def test_an_amount_beyond_what_a_number_holds_is_written_whole(page: Page) -> None:
    body = "return given.map((fen) => m.yuan(BigInt(fen)))"
    amounts = ["0", "7", "9223372036854775807"]
    assert run(page, "amounts.js", body, amounts) == ["0.00", "0.07", "92,233,720,368,547,758.07"]


def test_an_offer_made_while_the_till_begins_anew_is_of_the_key_that_follows(page: Page) -> None:
    body = """
    const offers = new m.Offers({ identity: { terminal_id: "T1" }, secret: null });
    let key = null;
    const till = {
      keepFresh: async () => { key ??= given.shift() ?? null; },
      // Taken back right after it was found usable.
      get canOffer() { const had = key; if (had === "refused") key = null; return had !== null; },
      offer: () => { if (key === null) throw new Error("no certificate"); return { text: key }; },
    };
    const holder = { billIdOf: (id) => id, offerSymbol: () => "" };
    offers.opened = Promise.resolve({ holder, till });
    return (await offers.make({ bill_id: "B1", total_fen: 1 }))?.text ?? null;"""
    assert run(page, "kiosk/till.js", body, ["refused", "fresh"]) == "fresh"
    assert run(page, "kiosk/till.js", body, ["refused"]) is None


def test_of_two_offers_asked_for_at_once_one_counts_down(page: Page) -> None:
    body = """
    document.body.append(document.createElement("main"));
    const made = [];
    const make = () => new Promise((done) => made.push(done));
    const screen = m.offerScreen({ offers: { make }, idle: { watch() {} }, setSide() {} },
      { scan: {}, bill: { department: "x", total_fen: 1 }, again: null });
    const both = [screen.renew(), screen.renew()];
    made[1]({ text: "later", svg: "<svg xmlns='http://www.w3.org/2000/svg'/>", life_s: 1 });
    made[0]({ text: "former", svg: "<svg xmlns='http://www.w3.org/2000/svg'/>", life_s: 1 });
    await Promise.all(both);
    const shown = screen.offer.text;
    screen.leave();
    await new Promise((done) => setTimeout(done, 1_500));
    return [shown, made.length];"""
    assert run(page, "kiosk/offering.js", body, None) == ["later", 2]
