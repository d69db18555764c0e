"""Invented residents for load: known to the twins, registered with us, each with a token."""

import concurrent.futures
import random
import secrets
from pathlib import Path

import httpx
import msgspec

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_AT_ONCE = 100


class Person(msgspec.Struct, kw_only=True):
    """One resident. ``subject`` is the platform's id, which pays as ``openid`` too."""

    name: str
    number: str
    person_no: str
    subject: str
    token: str = ""


def invent(seed: int, count: int) -> list[Person]:
    """``count`` persons of region 990001, the same for the same seed."""
    chance = random.Random(seed)
    people: list[Person] = []
    numbers: set[str] = set()
    while len(people) < count:
        body = (
            f"990001{chance.randint(1940, 2005)}{chance.randint(1, 12):02d}"
            f"{chance.randint(1, 28):02d}{chance.randint(0, 999):03d}"
        )
        total = sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True))
        number = body + "10X98765432"[total % 11]
        if number in numbers:
            continue
        numbers.add(number)
        people.append(
            Person(
                name="测" + chance.choice("安平康宁和顺福寿") + chance.choice("甲乙丙丁戊己庚辛"),
                number=number,
                person_no=f"9900{chance.randrange(10**20):020d}",
                subject=f"load-{seed}-{len(people)}-{secrets.token_hex(4)}",
            )
        )
    return people


def make_known(twin_url: str, people: list[Person]) -> None:
    """Tell the bureau's and the real-name source's twins of them."""
    with httpx.Client(base_url=twin_url, timeout=30.0, trust_env=False) as twins:
        for start in range(0, len(people), _AT_ONCE):
            part = people[start : start + _AT_ONCE]
            insured = [
                {
                    "psn_no": one.person_no,
                    "psn_name": one.name,
                    "certno": one.number,
                    "gend": "1" if int(one.number[16]) % 2 else "2",
                    "brdy": f"{one.number[6:10]}-{one.number[10:12]}-{one.number[12:14]}",
                    "balance_fen": 30_000,
                    "enrolments": [
                        {"insutype": "310", "psn_type": "11", "insuplc_admdvs": "990001"}
                    ],
                }
                for one in part
            ]
            names = [{"name": one.name, "id_no": one.number} for one in part]
            for path, body in (("insurance", insured), ("realname", names)):
                answer = twins.post(f"/{path}/sandbox/persons", content=msgspec.json.encode(body))
                answer.raise_for_status()


def register(base_url: str, twin_url: str, people: list[Person]) -> None:
    """Log each in and register with real name; fills ``token``."""

    def one(person: Person) -> None:
        with (
            httpx.Client(base_url=base_url, timeout=30.0, trust_env=False) as client,
            httpx.Client(base_url=twin_url, timeout=30.0, trust_env=False) as twins,
        ):
            minted = twins.post("/wechat-login/sandbox/codes", json={"subject": person.subject})
            login = client.post("/v1/login/wechat", json={"code": minted.json()["code"]})
            login.raise_for_status()
            person.token = login.json()["access_token"]
            answer = client.put(
                "/v1/me/registration",
                json={"name": person.name, "id_type": "01", "id_no": person.number},
                headers={"authorization": f"Bearer {person.token}"},
            )
            answer.raise_for_status()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(one, people))


def prepare(base_url: str, twin_url: str, *, seed: int, count: int, path: Path) -> list[Person]:
    """Invent, make known, register, and write the list for the load processes."""
    people = invent(seed, count)
    make_known(twin_url, people)
    register(base_url, twin_url, people)
    path.write_bytes(msgspec.json.encode(people))
    return people


def read(path: Path) -> list[Person]:
    """What ``prepare`` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=list[Person])
