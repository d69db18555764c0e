"""What travels: patients as hospitals tell of them."""

from enum import StrEnum
from typing import Annotated

import msgspec

from service.kernel.context import Context
from service.kernel.principals import Application
from service.person.model import Registered, Registration, Source

PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
Text = Annotated[str, msgspec.Meta(max_length=200, pattern=PRINTABLE)]
Because = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=PRINTABLE)]


class PatientSource(StrEnum):
    """How the hospital came to know what it says."""

    READER = "reader"
    """Read from the card."""
    WINDOW = "window"
    """Typed at a desk, from papers."""
    EMERGENCY = "emergency"
    """Whatever could be learnt."""


class PatientRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A patient as he is known now; what is missing is unknown. A newborn without a name goes by
    the parent's: ``…之子``, ``…之女``, of several born together ``…之大双``; an unknown patient has
    an empty name and the hospital's own number."""

    source: PatientSource
    name: Text
    id_type: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{2}$(?!\n)")] = "01"
    """CV02.01.101."""
    id_no: Text | None = None
    phone: Text | None = None
    sex: Text | None = None
    """M, F or U, or the digits of GB/T 2261.1."""
    birth_date: Text | None = None
    """``2020-05-01`` or ``20200501``."""
    address: Text | None = None
    local_id: Text | None = None
    """The hospital's own number of the patient."""
    nationality: Text | None = None
    ethnicity: Text | None = None
    former_name: Text | None = None
    guardian_name: Text | None = None
    guardian_id: Text | None = None
    contact_name: Text | None = None

    def registration(self, application: Application) -> Registration:
        """By the hospital whose application sent it."""
        said = {field: getattr(self, field) for field in self.__struct_fields__}
        source = Source(self.source.value)
        return Registration(
            **said | {"source": source, "institution_id": application.institution_id}
        )


class LearntWord(StrEnum):
    """What was learnt of a patient who was registered before."""

    NAMED = "named"
    """A newborn has a name, or a number."""
    IDENTIFIED = "identified"
    """An unknown patient is known."""
    PAPERS_RENEWED = "papers-renewed"
    NAME_CHANGED = "name-changed"
    NUMBER_CHANGED = "number-changed"


class LearntRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """All that is known now, what was learnt, and by what papers; these without personal data."""

    learnt: LearntWord
    because: Because
    patient: PatientRequest


class DeathRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """By what papers it is known, without personal data."""

    because: Because


class PatientAnswer(msgspec.Struct, kw_only=True):
    """How the institution calls the patient from now on, as a scan tells it. Earlier ids of his
    stay good."""

    patient_id: str

    @classmethod
    def of(cls, ctx: Context, application: Application, registered: Registered) -> "PatientAnswer":
        """Of a registration of the institution."""
        name = ctx.sealer.pseudonym(application.institution_id, registered.record_id)
        return cls(patient_id=name.hex())


class DeathAnswer(msgspec.Struct, kw_only=True):
    """No code of the patient is taken from now on."""

    patient_id: str
