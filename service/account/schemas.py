"""What travels: login and registration."""

from typing import Annotated

import msgspec

from service.account.model import RealName


class LoginRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The platform's one-time code, from ``wx.login`` or its like."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[!-~]+$")]


class LoginAnswer(msgspec.Struct, kw_only=True):
    """A bearer token and its life in seconds."""

    access_token: str
    expires_in: int
    registered: bool


class RegistrationRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Real name and ID number as the resident typed them; ``id_type`` 01 is the identity card."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    id_type: Annotated[str, msgspec.Meta(min_length=2, max_length=2)]
    id_no: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    phone: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None

    def real_name(self) -> RealName:
        """As the action takes it."""
        return RealName(name=self.name, id_type=self.id_type, id_no=self.id_no, phone=self.phone)
