"""Problems of enrolment and of callers."""

from service.kernel.problems import Problem


class ActivationRefused(Problem):
    """The activation code is wrong, used or too old."""

    code = "activation-refused"
    status = 403
    title = "The activation code is wrong, used or too old"


class InstitutionSuspended(Problem):
    """The institution may not work at present."""

    code = "institution-suspended"
    status = 403
    title = "The institution is suspended"


class AlreadyEnrolled(Problem):
    """An institution with this code exists."""

    code = "already-enrolled"
    status = 409
    title = "An institution with this code is enrolled already"


class CertificateRequestRefused(Problem):
    """The request (PKCS#10) is broken, of another kind of key, or not signed by its own key."""

    code = "certificate-request-refused"
    status = 422
    title = "The certificate request is refused"


class CertificateNotAccepted(Problem):
    """The outside certificate leads to no root we know, or fails a check on the way."""

    code = "certificate-not-accepted"
    status = 422
    title = "The certificate is not accepted"


class CertificateKeyTaken(Problem):
    """The key, or the certificate, is somebody else's already."""

    code = "certificate-key-taken"
    status = 409
    title = "The key or certificate is in use by another caller"


class CertificateKeyEnded(Problem):
    """The key was revoked, or ended as a bare key: it is never taken again, from nobody."""

    code = "certificate-key-ended"
    status = 409
    title = "The key was revoked and is not taken again"


class TooManyCertificates(Problem):
    """The holder has as many valid certificates as are allowed; revoke one that is not used."""

    code = "too-many-certificates"
    status = 409
    title = "The caller has too many valid certificates"
