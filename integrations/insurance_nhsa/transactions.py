"""Which shapes belong to which transaction number: request node and output node.

Serves reading captured messages and conformance; the gateway names its shapes itself.
"""

from typing import Any, cast

import msgspec

from integrations.insurance_nhsa import (
    wire,
    wire_clearing,
    wire_inpatient,
    wire_mobile,
    wire_settlement,
)
from integrations.insurance_nhsa.envelope import Answer, NoOutput, Request

SHAPES: dict[str, tuple[type[Any], type[Any]]] = {
    "1101": (wire.PersonInput, wire.PersonOutput),
    "1201": (wire_clearing.InstitutionInput, wire_clearing.InstitutionOutput),
    "2001": (wire_clearing.BenefitInput, NoOutput),
    "2102": (wire_inpatient.PharmacyInput, wire_inpatient.PharmacyOutput),
    "2103": (wire_settlement.ReverseInput, wire_inpatient.PharmacyOutput),
    "2201": (wire.VisitInput, wire.VisitOutput),
    "2202": (wire.CancelVisitInput, NoOutput),
    "2203": (wire.DiagnosesInput, NoOutput),
    "2204": (wire.ChargesInput, wire.ChargesOutput),
    "2205": (wire.WithdrawInput, NoOutput),
    "2206": (wire_settlement.PresettleInput, wire_settlement.SettleOutput),
    "2207": (wire_settlement.SettleInput, wire_settlement.SettleOutput),
    "2208": (wire_settlement.ReverseInput, wire_settlement.SettleOutput),
    "2301": (wire_inpatient.InpatientChargesInput, wire.ChargesOutput),
    "2302": (wire_inpatient.InpatientWithdrawInput, NoOutput),
    "2303": (wire_inpatient.InpatientSettleInput, wire_settlement.SettleOutput),
    "2304": (wire_inpatient.InpatientSettleInput, wire_settlement.SettleOutput),
    "2305": (wire_settlement.ReverseInput, wire_settlement.SettleOutput),
    "2401": (wire_inpatient.AdmissionInput, wire_inpatient.AdmissionOutput),
    "2402": (wire_inpatient.DischargeInput, NoOutput),
    "2403": (wire_inpatient.AdmissionInput, NoOutput),
    "2404": (wire_inpatient.CancelStayInput, NoOutput),
    "2405": (wire_inpatient.CancelStayInput, NoOutput),
    "2601": (wire_settlement.UndoInput, NoOutput),
    "3201": (wire_clearing.StatementInput, wire_clearing.StatementOutput),
    "3202": (wire_clearing.DetailStatementInput, wire_clearing.FileOutput),
    "3203": (wire_clearing.ClearingInput, NoOutput),
    "3301": (wire_clearing.CatalogueMatchInput, NoOutput),
    "3302": (wire_clearing.CatalogueMatchInput, NoOutput),
    "4101": (wire_clearing.SettlementListInput, wire_clearing.SettlementListOutput),
    "5201": (wire_settlement.FindVisitInput, wire_settlement.FindVisitOutput),
    "5203": (wire_settlement.FindSettlementInput, wire_settlement.FindSettlementOutput),
    "5206": (wire_clearing.TotalsInput, wire_clearing.TotalsOutput),
    "5301": (wire_clearing.PersonOnlyInput, wire_clearing.ChronicOutput),
    "9001": (wire.SignInInput, wire.SignInOutput),
    "9002": (wire.SignOutInput, wire.SignOutOutput),
    "9101": (wire_clearing.UploadInput, wire_clearing.FileOutput),
    "9102": (wire_clearing.DownloadInput, wire_clearing.FileOutput),
}
"""An A at the end of a number is the newer edition of the same shapes."""

MOBILE_SHAPES: dict[str, tuple[type[Any], type[Any]]] = {
    "6201": (wire_mobile.UploadFeesRequest, wire_mobile.UploadFeesAnswer),
    "6202": (wire_mobile.PayRequest, wire_mobile.MobileOrder),
    "6203": (wire_mobile.RefundRequest, wire_mobile.RefundAnswer),
    "6301": (wire_mobile.OrderQuestion, wire_mobile.MobileOrder),
    "6302": (wire_mobile.MobileOrder, wire_mobile.RevokeAnswer),
    "6401": (wire_mobile.OrderQuestion, wire_mobile.RevokeAnswer),
}


def shapes_of(infno: str) -> tuple[type[Any], type[Any]] | None:
    """Input and output shape of a transaction of the institution interface, or None."""
    return SHAPES.get(infno) or SHAPES.get(infno.removesuffix("A"))


def reread_mobile(shape: type[Any], message: object) -> object:
    """A plain message of the mobile centre through our structure and back."""
    return msgspec.to_builtins(msgspec.convert(message, shape))


def reread_request(infno: str, message: object) -> object:
    """A request through our structures and back to plain values. Raises ``ValidationError``."""
    found = shapes_of(infno)
    if found is None:
        raise msgspec.ValidationError("no such transaction")
    shape: Any = cast("Any", Request)[found[0]]
    return msgspec.to_builtins(msgspec.convert(message, shape))


def reread_answer(infno: str, message: object) -> object:
    """An answer through our structures and back to plain values. Raises ``ValidationError``."""
    found = shapes_of(infno)
    if found is None:
        raise msgspec.ValidationError("no such transaction")
    shape: Any = cast("Any", Answer)[found[1]]
    return msgspec.to_builtins(msgspec.convert(message, shape))
