"""Finds the gateway for an institution or provider. Built from settings by the registry."""

from typing import Protocol

from integrations.ports.cover import CoverGateway
from integrations.ports.insurance import InsuranceGateway
from integrations.ports.insurance_inpatient import InpatientGateway
from integrations.ports.insurance_mobile import MobileInsurance
from integrations.ports.invoices import InvoiceGateway
from integrations.ports.login import LoginGateway, RealNameGateway
from integrations.ports.payments import PaymentGateway


class PartnerUnknown(LookupError):
    """No gateway is set up for this institution, provider or account."""


class PerformedByHospital(PartnerUnknown):
    """The institution's own machine speaks with its bureau: nobody calls a gateway for it."""


class Partners(Protocol):
    """All gateways of this installation. Every method raises ``PartnerUnknown``."""

    def insurance(self, institution_code: str) -> InsuranceGateway:
        """The bureau's line of one institution.

        Raises ``PerformedByHospital`` where it has a machine of its own, as ``inpatient`` does.
        """

    def inpatient(self, institution_code: str) -> InpatientGateway:
        """The bureau's line of one institution, for stays."""

    def mobile_insurance(self, institution_code: str) -> MobileInsurance:
        """The mobile payment centre's line of one institution."""

    def invoice(self, institution_code: str) -> InvoiceGateway:
        """The e-invoice line of one institution."""

    def insurers(self, institution_code: str) -> list[str]:
        """The commercial insurers that one institution has a line to; raises nothing."""

    def cover(self, institution_code: str, insurer: str) -> CoverGateway:
        """One institution's line to one commercial insurer."""

    def payment(self, provider: str, account_name: str) -> PaymentGateway:
        """One merchant account."""

    def login(self, provider: str) -> LoginGateway:
        """A mini-program platform."""

    def real_name(self) -> RealNameGateway:
        """The real-name source."""
