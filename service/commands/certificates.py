"""``yimatong certificates``: the operator's verbs. Reads and writes files, asks the actions.

``show`` does without a database where there is none. The others open one context, do one thing and
close it.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from service.commands.certificates_show import ToShow, show
from service.commands.console import attempt, complain, institution_of, say
from service.institution import authority, certificates
from service.institution.model import (
    HeldCertificate,
    HolderKind,
    RevocationReason,
    RevokedAll,
)
from service.kernel.clock import SystemClock
from service.kernel.context import Context
from service.settings import Settings
from service.wiring import open_context

Job = Callable[[Context, argparse.Namespace], Awaitable[str]]


def main(argv: Sequence[str], settings: Settings) -> int:
    """Run one verb. Exit status 2 when it is refused, with the reason on standard error; 1 when
    ``show`` was shown what does not count."""
    arguments = _parser().parse_args(argv)

    def work() -> int:
        if arguments.job is None:
            shown = show(_to_show(arguments), settings)
            _give(shown.text, arguments.output)
            return 1 if shown.is_void else 0
        _give(asyncio.run(_in_context(arguments.job, arguments, settings)), arguments.output)
        return 0

    return attempt("certificates", settings, work)


def _give(text: str, output: str | None) -> None:
    if output is None:
        if text:
            say(text.removesuffix("\n"))
        return
    Path(output).write_text(text, "utf-8")
    head, pem, _ = text.partition("-----BEGIN")
    if head and pem:
        say(f"written to {output}: {', '.join(head.splitlines())}")


async def _in_context(job: Job, arguments: argparse.Namespace, settings: Settings) -> str:
    async with open_context(settings, "certificates") as ctx:
        return await job(ctx, arguments)


def _to_show(arguments: argparse.Namespace) -> ToShow:
    at = SystemClock().now()
    if arguments.at is not None:
        at = datetime.fromisoformat(arguments.at)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return ToShow(file=Path(arguments.file), crls=[Path(one) for one in arguments.crl], at=at)


def _wish(arguments: argparse.Namespace) -> certificates.Wish:
    if arguments.csr is not None:
        return certificates.Wish(csr=Path(arguments.csr).read_text("latin-1"))
    return certificates.Wish(chain=Path(arguments.chain).read_text("latin-1"))


async def _issued(ctx: Context, held: HeldCertificate) -> str:
    """Who it is for, in lines that PEM readers skip, and the chain."""
    holder = ctx.public_ids.text(held.institution_id, held.holder_id)
    head = [
        f"{held.holder_kind.value.lower()} {holder}",
        f"certificate {ctx.public_ids.text(held.institution_id, held.certificate_id)}",
        f"until {held.not_after.isoformat()}",
    ]
    return "\n".join(head) + "\n" + await certificates.chain_with_root(ctx, held)


async def issue(ctx: Context, arguments: argparse.Namespace) -> str:
    """A new application with its first certificate, or a terminal's certificate."""
    if arguments.terminal is not None:
        return await _add(ctx, arguments, HolderKind.TERMINAL, arguments.terminal)
    if arguments.institution is None or not arguments.name or not arguments.scopes:
        raise ValueError("issue needs --institution, --name and --scopes, or --terminal")
    held = await certificates.enrol_application(
        ctx,
        await institution_of(ctx, arguments.institution),
        name=arguments.name,
        scopes=frozenset(arguments.scopes.split(",")),
        wish=_wish(arguments),
    )
    return await _issued(ctx, held)


async def renew(ctx: Context, arguments: argparse.Namespace) -> str:
    """An application's next certificate, by the operator: the way back after a lost key."""
    return await _add(ctx, arguments, HolderKind.APPLICATION, arguments.application)


async def _add(ctx: Context, arguments: argparse.Namespace, kind: HolderKind, name: str) -> str:
    institution_id, holder_id = ctx.public_ids.parse(name)
    holder = certificates.Holder(
        institution_id=institution_id, holder_kind=kind, holder_id=holder_id
    )
    return await _issued(ctx, await certificates.add(ctx, holder, _wish(arguments)))


async def revoke(ctx: Context, arguments: argparse.Namespace) -> str:
    """One certificate, or everything an application could sign with."""
    reason = RevocationReason(arguments.reason)
    if arguments.application is not None:
        ids = ctx.public_ids.parse(arguments.application)
        return _gone(await certificates.revoke_all(ctx, *ids, reason))
    held = await certificates.revoke(ctx, *ctx.public_ids.parse(arguments.certificate), reason)
    return f"revoked {held.serial_no.hex()}\n"


def _gone(revoked: RevokedAll) -> str:
    count = revoked.certificates
    found = [f"{count} certificate{'s' if count > 1 else ''}"] if count else []
    found += ["the bare key"] if revoked.bare_key else []
    return f"revoked {' and '.join(found)}\n" if found else "there was nothing left to revoke\n"


async def list_held(ctx: Context, arguments: argparse.Namespace) -> str:
    """One application's certificates, or everybody's that end soon. Tab-separated."""
    if arguments.application is not None:
        held = await certificates.held_by(ctx, *ctx.public_ids.parse(arguments.application))
    else:
        held = await certificates.ending_within(ctx, timedelta(days=arguments.within))
    if not held:
        complain(_none_found(arguments))
    now = ctx.clock.now()
    lines = [
        "\t".join(
            [
                ctx.public_ids.text(one.institution_id, one.certificate_id),
                one.holder_kind.value,
                ctx.public_ids.text(one.institution_id, one.holder_id),
                one.state_at(now).value,
                one.not_after.isoformat(),
                one.issuer,
                one.serial_no.hex(),
            ]
        )
        for one in held
    ]
    return "".join(f"{line}\n" for line in lines)


def _none_found(arguments: argparse.Namespace) -> str:
    """For a person, beside the empty table."""
    if arguments.application is not None:
        return "this application has no certificate"
    return f"no certificate ends within {arguments.within} days (--within says how many; usual: 30)"


async def crl(ctx: Context, arguments: argparse.Namespace) -> str:
    """Our authority's newest revocation list, PEM."""
    return (await authority.revocation_list(ctx, arguments.authority)).pem()


async def roots(ctx: Context, _arguments: argparse.Namespace) -> str:
    """Our authority's roots, PEM, newest first."""
    return "".join(root.pem() for root in await authority.roots(ctx))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="yimatong certificates")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def add(name: str, job: Job | None, text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        sub.set_defaults(job=job)
        sub.add_argument("--output", default=None, help="a file instead of standard output")
        return sub

    def add_wish(sub: argparse.ArgumentParser) -> None:
        wish = sub.add_mutually_exclusive_group(required=True)
        wish.add_argument("--csr", default=None, help="a file with a request (PKCS#10, PEM)")
        wish.add_argument("--chain", default=None, help="a file with an outside chain (PEM)")

    looked = add(
        "show",
        None,
        "what a file holds and whether it counts: by our rows where a database is, by --crl and by "
        "YIMATONG_CERTIFICATE_ROOTS; exit status 1 when it does not",
    )
    looked.add_argument("file")
    words = "a revocation list (PEM or DER), repeatable; needs no database"
    looked.add_argument("--crl", action="append", default=[], metavar="FILE", help=words)
    looked.add_argument("--at", default=None, help="RFC 3339 time; default: now")
    issued = add("issue", issue, "enrol an application by certificate, or certify a terminal")
    issued.add_argument("--institution", default=None, help="the institution's code")
    issued.add_argument("--name", default=None)
    issued.add_argument("--scopes", default=None, help="bill,settlement,scan,insurance")
    issued.add_argument("--terminal", default=None, help="a terminal's id")
    add_wish(issued)
    renewed = add("renew", renew, "an application's next certificate, by the operator")
    renewed.add_argument("--application", required=True)
    add_wish(renewed)
    revoked = add("revoke", revoke, "revoke for good")
    which = revoked.add_mutually_exclusive_group(required=True)
    which.add_argument("--certificate", default=None, help="one certificate's id")
    which.add_argument("--application", default=None, help="everything of an application")
    reasons = [reason.value for reason in RevocationReason]
    revoked.add_argument("--reason", choices=reasons, default="unspecified")
    listed = add("list", list_held, "an application's certificates, or all that end soon")
    listed.add_argument("--application", default=None)
    listed.add_argument("--within", type=int, default=30, help="days; default: 30")
    published = add("crl", crl, "our authority's newest revocation list")
    published.add_argument("--authority", type=int, default=None, help="the key's version")
    add("roots", roots, "our authority's root certificates")
    return parser
