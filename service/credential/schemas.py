"""What travels: who I am, and my insurance."""

from datetime import datetime

import msgspec

from service.credential.model import InsuranceStatus, InsuranceView


class InsuranceAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Insurance with the status of its owner and the time it was last said."""

    status: InsuranceStatus
    insurance_type: str | None = None
    region: str | None = None
    as_of: datetime | None = None

    @classmethod
    def of(cls, view: InsuranceView) -> "InsuranceAnswer":
        """From the action's answer."""
        return cls(
            status=view.status,
            insurance_type=view.insurance_type,
            region=view.region,
            as_of=view.as_of,
        )


class Me(msgspec.Struct, kw_only=True):
    """Who the resident is here, masked. Members are null before registration."""

    registered: bool
    level: str
    masked_name: str | None
    masked_id_no: str | None
    insurance: InsuranceAnswer | None
