"""Invented registrations of an invented population, for measuring the index; the truth lies apart.

    python -m loadtests.populations --people 32000 --seed 7 --mix plain --output FOLDER

writes ``registrations.jsonl`` (the line of ``yimatong person match``) and ``truth.csv``, which the
matcher never reads: whose each is, and who his parents are. ``reachable`` is 0 where nobody could
tell who it is. Numbers have region codes that are not assigned. Every rate of error is a judgement;
the mixes differ so that what is tuned on one can be measured on another.
"""

import argparse
import csv
import json
import random
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from pypinyin import lazy_pinyin

from service.person.identity.texts import check_character

TODAY = date(2026, 3, 1)
SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任"
    "卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫雷龙黎史陶贺毛郝顾龚邵覃武钱戴严莫孔向常"
)
GIVEN = (
    "英华明国秀红军平丽兰建玲桂梅林玉伟芳春海文金强云珍志凤生荣德霞燕芬祥忠义福娟成光永辉琴清香月莲世勇"
    "新美松波洪亮贵庆龙学宝飞鹏浩宇轩子涵梓萱雨欣怡佳思嘉俊杰晨诗雅可馨瑞一诺博睿泽洋天佑若曦语熙昊航铭"
    "峰斌磊超刚涛敏静洁慧娜倩颖莹婷晓小亚立会艳爱素淑惠巧翠素改仁义礼智信安康乐正东南西北中山水木火土石"
)
LOOKALIKE = {"晴": "睛", "已": "己", "未": "末", "天": "夭", "玉": "王", "东": "车", "云": "去"}
FOREIGN = ("JOHN SMITH", "MARIA GARCIA LOPEZ", "KIM MIN JUN", "NGUYEN VAN AN", "ANNA PETROVA")
SOURCES = ("reader", "window", "rural", "legacy", "emergency")


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """Rates of error at a window; a reader makes hardly any, other sources more."""

    typo: float = 0.012
    """One digit of a number or phone."""
    sound: float = 0.012
    look: float = 0.004
    lost: float = 0.003
    no_number: float = 0.10
    borrowed: float = 0.006
    parents: float = 0.30
    """Of a child: registered under a parent's number."""
    dummy: float = 0.008
    date_slip: float = 0.012
    new_year: float = 0.004
    lunar: float = 0.004
    wrong_sex: float = 0.003
    no_phone: float = 0.15
    old_phone: float = 0.10
    no_address: float = 0.2
    former: float = 0.015
    twins: float = 0.015


MIXES = {
    "plain": Mix(),
    "sloppy": Mix(typo=0.03, sound=0.03, lost=0.008, no_number=0.2, date_slip=0.03, lunar=0.01),
    "shared": Mix(parents=0.5, borrowed=0.012, old_phone=0.2, no_address=0.4, twins=0.03),
}
WORSE = {"reader": 0.05, "window": 1.0, "rural": 1.8, "legacy": 2.2, "emergency": 2.0}


class Someone(msgspec.Struct, kw_only=True):
    """A person as he is."""

    number: int
    name: str
    sex: str
    born: date
    id_no: str
    phones: list[str]
    address: str
    mother: "Someone | None" = None
    father: "Someone | None" = None
    former: str = ""
    passport: str = ""
    order: str = ""
    """Of twins: 大 or 小."""


@cache
def _same_sound() -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for character in sorted(set(SURNAMES + GIVEN)):
        groups.setdefault(lazy_pinyin(character)[0], []).append(character)
    return {one: group for group in groups.values() if len(group) > 1 for one in group}


def citizen_number(draw: random.Random, born: date, sex: str) -> str:
    """An invented number of an unassigned region."""
    sequence = draw.randrange(500) * 2 + (1 if sex == "M" else 0)
    first = f"99{draw.randrange(1, 5):02d}{draw.randrange(1, 25):02d}{born:%Y%m%d}{sequence:03d}"
    return first + check_character(first)


class Population:
    """Everybody, then what was registered of everybody."""

    def __init__(self, seed: int, people: int, mix: Mix) -> None:
        self.draw = random.Random(seed)
        self.mix = mix
        self.people: list[Someone] = []
        self._numbers: set[str] = set()
        self._pool: list[str] = []
        self._lines = 0
        while len(self.people) < people:
            self._household()

    def _weighted(self, texts: str) -> str:
        """Early characters far more often, as real names are."""
        return texts[min(int(len(texts) * self.draw.random() ** 2.2), len(texts) - 1)]

    def _given(self) -> str:
        count = 1 if self.draw.random() < 0.22 else 2
        return "".join(self._weighted(GIVEN) for _ in range(count))

    def _phone(self) -> str:
        if self._pool and self.draw.random() < 0.04:
            return self._pool[self.draw.randrange(len(self._pool))]
        phone = f"1{self.draw.choice('3589')}{self.draw.randrange(10**9):09d}"
        self._pool.append(phone)
        return phone

    def _someone(self, born: date, surname: str, address: str, **rest: Any) -> Someone:
        sex = rest.pop("sex", None) or self.draw.choice("MF")
        number = citizen_number(self.draw, born, sex)
        while number in self._numbers:
            number = citizen_number(self.draw, born, sex)
        self._numbers.add(number)
        one = Someone(
            number=len(self.people),
            name=surname + self._given(),
            sex=sex,
            born=born,
            id_no=number,
            phones=[self._phone(), *([self._phone()] if self.draw.random() < 0.35 else [])],
            address=address,
            **rest,
        )
        if self.draw.random() < self.mix.former:
            one.former = surname + self._given()
        self.people.append(one)
        return one

    def _adult_born(self) -> date:
        return TODAY - timedelta(days=int(365.25 * self.draw.triangular(20, 92, 45)))

    def _household(self) -> None:
        draw = self.draw
        address = (
            f"测试市{draw.choice('甲乙丙丁戊己庚辛')}区{draw.choice(GIVEN)}{draw.choice(GIVEN)}路"
            f"{draw.randrange(1, 400)}号{draw.randrange(1, 30)}栋{draw.randrange(101, 2900)}室"
        )
        if draw.random() < 0.004:
            one = self._someone(self._adult_born(), "", address)
            one.name, one.id_no = draw.choice(FOREIGN), ""
            one.passport = f"E{draw.randrange(10**8):08d}"
            return
        father = self._someone(self._adult_born(), self._weighted(SURNAMES), address, sex="M")
        if draw.random() < 0.25:
            return
        near = timedelta(days=draw.randrange(-2000, 2000))
        mother_born = min(father.born + near, TODAY - timedelta(days=7400))
        mother = self._someone(mother_born, self._weighted(SURNAMES), address, sex="F")
        age = (TODAY - mother.born).days / 365.25
        if age > 70:
            return
        for _ in range(draw.choice((0, 1, 1, 1, 2, 2, 3))):
            years = draw.uniform(21, 38)
            born = mother.born + timedelta(days=int(365.25 * years))
            if born >= TODAY:
                continue
            self._birth(born, father, mother, address)

    def _birth(self, born: date, father: Someone, mother: Someone, address: str) -> None:
        """One child, or two."""
        draw = self.draw
        count = 2 if draw.random() < self.mix.twins else 1
        sex = draw.choice("MF") if draw.random() < 0.7 else None
        generation = self._weighted(GIVEN) if draw.random() < 0.6 else ""
        for place in range(count):
            child = self._someone(
                born,
                father.name[0] if draw.random() < 0.93 else mother.name[0],
                address,
                mother=mother,
                father=father,
                sex=sex if count == 2 else None,
            )
            if generation:
                child.name = child.name[0] + generation + self._weighted(GIVEN)
            while place and child.name == self.people[-2].name:
                # Nobody gives two children one name.
                child.name = child.name[0] + self._given()
            if (TODAY - born).days < 365 * 14:
                child.phones = [draw.choice(mother.phones + father.phones)]
            if count == 2:
                child.order = "大小"[place]

    def lines(self) -> Iterator[tuple[dict[str, str], Someone, bool]]:
        """(registration, whose it is, whether anybody could tell), about 3.1 for each person."""
        for one in self.people:
            count = 1 + min(9, int(self.draw.expovariate(1 / 2.15) + 0.35))
            for turn in range(count):
                yield self._line(one, turn)

    def _chance(self, rate: float, source: str) -> bool:
        return self.draw.random() < rate * WORSE[source]

    def _line(self, one: Someone, turn: int) -> tuple[dict[str, str], Someone, bool]:
        draw = self.draw
        source = draw.choices(SOURCES, (34, 36, 14, 12, 4))[0]
        self._lines += 1
        facility = f"F{draw.randrange(40):02d}"
        line = {"id": f"R{self._lines:08d}", "source": source, "facility": facility}
        line["time"] = str(TODAY - timedelta(days=draw.randrange(3000)))
        if source == "emergency" and draw.random() < 0.10:
            unknown = {"name": "无名氏", "sex": one.sex if draw.random() < 0.8 else "U"}
            return line | unknown | {"local_id": f"T{draw.randrange(10**9)}"}, one, False
        age_days = (TODAY - one.born).days
        newborn = one.mother is not None and age_days < 365 * 6 and turn == 0
        if newborn and draw.random() < 0.5:
            return line | self._newborn(one, source), one, True
        return line | self._ordinary(one, source, age_days), one, True

    def _newborn(self, one: Someone, source: str) -> dict[str, str]:
        """Before it has a name: of its mother, under her number."""
        mother = one.mother
        assert mother is not None
        suffix = ("之子" if one.sex == "M" else "之女") if not one.order else f"之{one.order}双"
        line = {
            "name": mother.name + suffix,
            "sex": one.sex,
            "birth_date": one.born.isoformat(),
            "phone": self._phone_of(mother, source),
            "address": one.address,
            "guardian_name": mother.name,
        }
        if self.draw.random() < 0.7:
            line["guardian_id"] = mother.id_no
        elif self.draw.random() < 0.6:
            line |= {"id_type": "01", "id_no": mother.id_no}
        return line

    def _ordinary(self, one: Someone, source: str, age_days: int) -> dict[str, str]:
        draw, mix = self.draw, self.mix
        name = one.former if one.former and draw.random() < 0.3 else one.name
        born, sex = one.born, one.sex
        if self._chance(mix.wrong_sex, source):
            sex = "F" if sex == "M" else "M"
        line = {"name": self._mistyped(name, source), "sex": sex}
        line["birth_date"] = self._slipped(born, source).isoformat()
        if one.former and name == one.name and draw.random() < 0.3:
            line["former_name"] = one.former
        line |= self._number(one, source, age_days)
        line["phone"] = self._phone_of(one, source)
        if not self._chance(mix.no_address, source):
            line["address"] = self._address(one.address)
        if draw.random() < 0.25:
            line["local_id"] = f"{one.number * 7 + 13}"
            line["facility"] = f"F{one.number % 40:02d}"
        if one.mother is not None and age_days < 365 * 14 and draw.random() < 0.6:
            parent = draw.choice((one.mother, one.father or one.mother))
            line["guardian_name"] = parent.name
            if draw.random() < 0.5:
                line["guardian_id"] = parent.id_no
        if draw.random() < 0.1:
            line["contact_name"] = draw.choice(self.people).name
        return {key: value for key, value in line.items() if value}

    def _number(self, one: Someone, source: str, age_days: int) -> dict[str, str]:
        draw, mix = self.draw, self.mix
        if one.passport:
            number = one.passport if draw.random() < 0.7 else f"E{draw.randrange(10**8):08d}"
            return {"id_type": "03", "id_no": number, "nationality": "测试国"}
        if self._chance(mix.no_number, source):
            return {}
        number, child = one.id_no, one.mother is not None and age_days < 365 * 16
        if child and one.mother is not None and self._chance(mix.parents, source):
            number = draw.choice((one.mother, one.father or one.mother)).id_no
        elif self._chance(mix.borrowed, source) and one.mother is not None:
            number = (one.father or one.mother).id_no
        elif self._chance(mix.dummy, source):
            number = draw.choice(("111111111111111111", "000000000000000000", "123456789012345678"))
        elif self._chance(mix.typo, source):
            place = draw.randrange(len(number) - 1)
            number = number[:place] + str(draw.randrange(10)) + number[place + 1 :]
        elif source == "legacy" and draw.random() < 0.15 and number[6:8] == "19":
            number = number[:6] + number[8:17]
        if draw.random() < 0.05:
            number = draw.choice((number.lower(), " " + number, number[:6] + " " + number[6:]))
        return {"id_type": "01", "id_no": number}

    def _mistyped(self, name: str, source: str) -> str:
        draw, mix = self.draw, self.mix
        if not name or name.isascii():
            words = name.split()
            draw.shuffle(words)
            return " ".join(words) if draw.random() < 0.6 else name.title()
        place = draw.randrange(len(name))
        other = None
        if self._chance(mix.sound, source):
            other = draw.choice(_same_sound().get(name[place], [name[place]]))
        elif self._chance(mix.look, source):
            other = LOOKALIKE.get(name[place], draw.choice(GIVEN))
        elif self._chance(mix.lost, source) and place:
            other = draw.choice("?？")
        return name if other is None else name[:place] + other + name[place + 1 :]

    def _slipped(self, born: date, source: str) -> date:
        draw, mix = self.draw, self.mix
        if self._chance(mix.date_slip, source):
            kind = draw.randrange(4)
            if kind == 0 and born.day <= 12:
                return born.replace(month=born.day, day=born.month)
            if kind == 1:
                return born.replace(
                    year=born.year + draw.choice((-10, -1, 1, 10)), day=min(born.day, 28)
                )
            return born + timedelta(days=draw.choice((-10, -3, -1, 1, 2, 10)))
        if self._chance(mix.new_year, source):
            return born.replace(month=1, day=1)
        if self._chance(mix.lunar, source):
            return born - timedelta(days=draw.randrange(20, 50))
        return born

    def _phone_of(self, one: Someone, source: str) -> str:
        draw, mix = self.draw, self.mix
        if self._chance(mix.no_phone, source):
            return ""
        phone = one.phones[0]
        if len(one.phones) > 1 and draw.random() < mix.old_phone * 2:
            phone = one.phones[1]
        if self._chance(mix.typo, source):
            place = draw.randrange(3, 11)
            phone = phone[:place] + str(draw.randrange(10)) + phone[place + 1 :]
        return phone

    def _address(self, address: str) -> str:
        draw = self.draw
        if draw.random() < 0.2:
            address = address.removeprefix("测试市")
        if draw.random() < 0.15:
            address = address.replace("栋", "幢").replace("室", "")
        return address


def write(folder: Path, population: Population) -> int:
    """Both files; gives the number of registrations."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(population.lines())
    population.draw.shuffle(rows)
    with (
        (folder / "registrations.jsonl").open("w", encoding="utf-8") as lines,
        (folder / "truth.csv").open("w", newline="", encoding="utf-8") as truth,
    ):
        told = csv.writer(truth)
        told.writerow(("id", "person", "reachable", "mother", "father", "born"))
        for line, one, reachable in rows:
            lines.write(json.dumps(line, ensure_ascii=False) + "\n")
            parents = ["" if who is None else who.number for who in (one.mother, one.father)]
            told.writerow((line["id"], one.number, int(reachable), *parents, one.born))
    return len(rows)


def main() -> None:
    """Write one population."""
    asked = argparse.ArgumentParser(description="an invented population's registrations")
    asked.add_argument("--people", type=int, default=32_000)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--mix", choices=sorted(MIXES), default="plain")
    asked.add_argument("--output", type=Path, required=True)
    given = asked.parse_args()
    count = write(given.output, Population(given.seed, given.people, MIXES[given.mix]))
    print(f"{count} registrations of {given.people} people in {given.output}")


if __name__ == "__main__":
    main()
