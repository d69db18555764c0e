"""Why a code or a scan is refused: one problem for each error of the health-code format."""

from service.kernel.problems import Problem


class CodeMalformed(Problem):
    """The text is no code that is known here, or a damaged one."""

    code = "code-malformed"
    status = 422
    title = "This is not a code, or it was damaged"


class CodeUnsupported(Problem):
    """A version or kind that is not served here."""

    code = "code-unsupported"
    status = 422
    title = "Codes of this version or kind are not served here"


class ClockUnsure(Problem):
    """The server's own clock is before its trust list: it cannot judge times."""

    code = "clock-unsure"
    status = 503
    title = "The server's clock cannot be trusted at present"
    retryable = True


class TrustListExpired(Problem):
    """The list of trusted keys is too old."""

    code = "trust-list-expired"
    status = 503
    title = "The list of trusted keys is too old"
    retryable = True


class CodeKeyUnknown(Problem):
    """The code names a key that nobody here issued with."""

    code = "code-key-unknown"
    status = 422
    title = "The code was issued by an unknown key"


class CodeKeyNotForKind(Problem):
    """The named key may not issue codes of this kind or class."""

    code = "code-key-not-for-kind"
    status = 422
    title = "The code's key may not issue codes of this kind"


class CodeKeyClosed(Problem):
    """The named key's window is over, or the code is older than its cut-off."""

    code = "code-key-closed"
    status = 410
    title = "The code's key is no longer accepted; show a fresh code"


class CodeNotYetValid(Problem):
    """The code says it was issued in the future."""

    code = "code-not-yet-valid"
    status = 422
    title = "The code's time has not come yet"


class CodeExpired(Problem):
    """The code's life is over; ``off_by_s`` says since when."""

    code = "code-expired"
    status = 410
    title = "The code has expired; show a fresh one"


class CodeStepOld(Problem):
    """A bound code from an earlier moment: an old picture, or a slow phone clock."""

    code = "code-step-old"
    status = 410
    title = "The code is from an earlier moment; show it again"


class CodeStepAhead(Problem):
    """A bound code from a later moment: a fast phone clock."""

    code = "code-step-ahead"
    status = 422
    title = "The phone's clock is ahead"


class CodePurposeMismatch(Problem):
    """Shown for another purpose than it is scanned for, or bound to an offer that is not open."""

    code = "code-purpose-mismatch"
    status = 422
    title = "The code was shown for another purpose"


class CodeSignatureWrong(Problem):
    """The issuer's signature does not hold: forged or damaged."""

    code = "code-signature-wrong"
    status = 422
    title = "The code's signature does not hold"


class CodeHolderKeyWrong(Problem):
    """The holder key of a bound code is not a key."""

    code = "code-holder-key-wrong"
    status = 422
    title = "The code's holder key is not valid"


class CodeHolderSignatureWrong(Problem):
    """The phone's signature of a bound code does not hold."""

    code = "code-holder-signature-wrong"
    status = 422
    title = "The phone's signature does not hold"


class CodeContextMismatch(Problem):
    """Signed for another till, bill or amount."""

    code = "code-context-mismatch"
    status = 422
    title = "The code was approved for another till, bill or amount"


class CodeRevoked(Problem):
    """The code was revoked."""

    code = "code-revoked"
    status = 410
    title = "The code was revoked"


class CodeAlreadyUsed(Problem):
    """A code is taken once; a copy or a second reader comes too late."""

    code = "code-already-used"
    status = 410
    title = "The code was used already; show a fresh one"


class CodeIndexUnreadable(Problem):
    """The code is genuine, but the key to whose it is is not held here any more."""

    code = "code-index-unreadable"
    status = 410
    title = "The code can no longer be read; show a fresh one"


class CodeSuperseded(Problem):
    """All codes of this card were voided after this one was issued."""

    code = "code-superseded"
    status = 410
    title = "The code was voided; show a fresh one"


class CodeFrozen(Problem):
    """The person or the card is frozen."""

    code = "code-frozen"
    status = 403
    title = "This person's codes are frozen; the service desk can help"


class CodeNoSuchCard(Problem):
    """The code names a record or card that is not there or was cancelled."""

    code = "code-no-such-card"
    status = 410
    title = "The code's card does not exist any more"


class ScanExpired(Problem):
    """A scan is a handle for one visit; this one is too old."""

    code = "scan-expired"
    status = 410
    title = "The scan is too old; scan again"


class ScanReported(Problem):
    """The handle of a showing that was only reported: it names a person and authorises nothing."""

    code = "scan-reported"
    status = 403
    title = "This showing was reported afterwards and opens nothing; scan again"


class TrustListUnavailable(Problem):
    """No trust list that our own roots signed is at hand; ``detail`` says why."""

    code = "trust-list-unavailable"
    status = 503
    title = "The list of trusted keys is not available here"
    retryable = True


class CodeListNotMade(Problem):
    """The first list of this scope and class is being made, or the class is not in use."""

    code = "code-list-not-made"
    status = 404
    title = "There is no revocation list of this scope and class"


class TillKeyInvalid(Problem):
    """The public key is not a compressed point of the SM2 curve."""

    code = "till-key-invalid"
    status = 422
    title = "The till's public key is not valid"


class ShownLogGap(Problem):
    """Entries are missing between what was taken and what came; says what is expected next."""

    code = "shown-log-gap"
    status = 409
    title = "Entries of the shown log are missing"


class ShownLogForked(Problem):
    """The entries do not continue the log that was taken before; says what is expected next."""

    code = "shown-log-forked"
    status = 409
    title = "The entries do not continue the shown log known here"


class PhoneChallengeInvalid(Problem):
    """The challenge was not given to this account, or was changed."""

    code = "phone-challenge-invalid"
    status = 422
    title = "The challenge was not given to this account"


class PhoneChallengeExpired(Problem):
    """The challenge is too old."""

    code = "phone-challenge-expired"
    status = 410
    title = "The challenge is too old; ask for a fresh one"


class HolderKeyInvalid(Problem):
    """The phone's key is not a point of the curve."""

    code = "holder-key-invalid"
    status = 422
    title = "The phone's key is not a valid key"


class PhoneProofWrong(Problem):
    """The proof of possession does not hold under the phone's key."""

    code = "phone-proof-wrong"
    status = 422
    title = "The proof does not hold under the phone's key"


class HolderKeySeen(Problem):
    """Every credential needs a key of its own; this one was enrolled before."""

    code = "holder-key-seen"
    status = 409
    title = "The phone's key was enrolled before; make a new one"


class PhoneLimitReached(Problem):
    """The account has as many phones that show codes as it may; expired ones do not count."""

    code = "phone-limit-reached"
    status = 409
    title = "As many phones as allowed show codes already; remove one first"


class PhoneCredentialsUsedUp(Problem):
    """The phone has as many unexpired credentials as it may; ``retry_after_s`` says until when."""

    code = "phone-credentials-used-up"
    status = 429
    title = "The phone renewed too often"
    retryable = True


class PhoneReplaced(Problem):
    """The phone's place went to another while its credential was over; it may enrol anew."""

    code = "phone-replaced"
    status = 410
    title = "The phone's place went to another; enrol it as a new one"


class PhoneRevoked(Problem):
    """The phone was stopped by a person; its holder is asked before it is enrolled as a new one."""

    code = "phone-revoked"
    status = 410
    title = "The phone was stopped; ask its holder before enrolling it anew"


class PrintedLimitReached(Problem):
    """The person has as many printed codes as he may."""

    code = "printed-limit-reached"
    status = 409
    title = "As many printed codes as allowed are out already; revoke one first"


class OfferInvalid(Problem):
    """The offer's text or signature does not hold; ``reason`` names the check."""

    code = "offer-invalid"
    status = 422
    title = "The offer does not hold"


class OfferNotOpen(Problem):
    """The offer's time is over or has not come; ``reason`` says which."""

    code = "offer-not-open"
    status = 410
    title = "The offer is not open; make a fresh one"


class OfferElsewhere(Problem):
    """The offer is another terminal's, or for another purpose than the scan."""

    code = "offer-elsewhere"
    status = 422
    title = "The offer is not this terminal's for this purpose"


class TillNotTrusted(Problem):
    """The certificate inside the offer does not hold; ``reason`` names the check."""

    code = "till-not-trusted"
    status = 422
    title = "The till's certificate does not hold"
