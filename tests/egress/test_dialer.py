"""From a name to a connection: what is asked, what is refused, what is dialed."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from ipaddress import ip_address

import anyio
import pytest

from reactor.egress.addresses import Address, Exceptions
from reactor.egress.dialer import Dialer, is_here
from reactor.errors import DownloadError
from tests.egress.asking import files, until

SPELLINGS = """
    127.0.0.1 127.1 127.0.1 0177.0.0.1 0x7f.0.0.1 0x7f.1 0x7f000001 0X7F000001 2130706433 017700000001 127.0.0.1.
    127.8.9.10 0 0.0.0.0 0x0 localhost LOCALHOST localhost. ::1 0:0:0:0:0:0:0:1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::1%lo ::
    \uff11\uff12\uff17.0.0.1 ①②⑦.⓪.⓪.① 127。0。0。1"""
"""Of this machine; all of them are dialed by one program or another."""


class Listener:
    """Counts who comes."""

    def __init__(self) -> None:
        self.entries = 0
        self.port = 0

    async def come(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.entries += 1
        writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    """On every address of this machine."""
    listener = Listener()
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as door:
        async with await asyncio.start_server(listener.come, sock=door):
            listener.port = door.getsockname()[1]
            yield listener


def told(*addresses: str) -> tuple[Address, ...]:
    return tuple(map(ip_address, addresses))


async def refusal(dialer: Dialer, host: str, port: int) -> str:
    """The word of the error."""
    with pytest.raises(DownloadError) as caught:
        (await dialer.dial(host, port)).close()
    return caught.value.code


@pytest.mark.fault(36)
@pytest.mark.parametrize("host", SPELLINGS.split())
async def test_this_machine_by_any_name(host: str) -> None:
    async with listening() as listener:
        assert await refusal(Dialer(), host, listener.port) in ("refused_address", "dns")
        assert listener.entries == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "localhost", "::ffff:127.0.0.1"])
async def test_what_is_allowed_is_dialed(host: str) -> None:
    async with listening() as listener:
        (await Dialer(Exceptions.parse("127.0.0.0/8, ::1")).dial(host, listener.port)).close()
        await until(lambda: listener.entries == 1)


@pytest.mark.parametrize("host", SPELLINGS.split())
async def test_our_own_doors_stay_shut_whatever_is_allowed(host: str) -> None:
    allowed = Exceptions.parse("0.0.0.0/0, ::/0, localhost")
    async with listening() as listener, listening() as other:
        for own in ("127.0.0.1", "localhost", "::1"):
            dialer = Dialer(allowed, own=lambda own=own: [(own, listener.port)])  # type: ignore[misc]
            assert await refusal(dialer, host, listener.port) in ("refused_address", "dns")
        assert listener.entries == 0
        if host in ("127.0.0.1", "localhost", "::1"):
            (await dialer.dial(host, other.port)).close()  # the other doors are open


async def test_an_allowed_name_may_lead_anywhere_but_to_our_own_doors() -> None:
    async with listening() as listener:
        dialer = Dialer(Exceptions.parse("nas.lan"), look_up=lambda _: told("127.0.0.1"))
        (await dialer.dial("NAS.lan.", listener.port)).close()
        dialer = Dialer(
            Exceptions.parse("nas.lan"), look_up=lambda _: told("127.0.0.1"), own=lambda: [("127.0.0.1", listener.port)]
        )
        assert await refusal(dialer, "nas.lan", listener.port) == "refused_address"


@pytest.mark.fault(35)
async def test_a_name_that_leads_elsewhere_at_the_second_question_is_not_asked_twice() -> None:
    """DNS rebinding: a public address for the judge, a private one for who dials."""
    asked: list[str] = []

    def rebinding(host: str) -> Iterable[Address]:
        asked.append(host)
        return told("127.0.0.2" if len(asked) == 1 else "127.0.0.1")

    async with listening() as listener:
        dialer = Dialer(Exceptions.parse("127.0.0.2"), look_up=rebinding)
        connection = await dialer.dial("rebind.example", listener.port)
        assert connection.getpeername()[0] == "127.0.0.2", "the address that was judged"
        connection.close()
        (await dialer.dial("rebind.example", listener.port)).close()
        assert asked == ["rebind.example"], "and it counts for a while"


async def test_a_name_with_some_private_addresses_is_dialed_at_the_others_only() -> None:
    async with listening() as listener:
        mixed = Dialer(
            Exceptions.parse("127.0.0.2"), look_up=lambda _: told("127.0.0.1", "10.0.0.1", "127.0.0.2", "::1")
        )
        assert await mixed.resolve("mixed.example", 80) == told("127.0.0.2")
        connection = await mixed.dial("mixed.example", listener.port)
        assert connection.getpeername()[0] == "127.0.0.2"
        connection.close()


PRIVATE = (
    "169.254.169.254 10.1.2.3 ::ffff:10.1.2.3 64:ff9b::10.1.2.3 2002:a01:203::1 fe80::1 ff02::1 100.100.100.200"
    " 192.0.0.192 fd00:ec2::254 2001:0:53aa:64c::1"
)


@pytest.mark.parametrize("address", PRIVATE.split())
async def test_a_public_name_of_a_private_address(address: str) -> None:
    dialer = Dialer(look_up=lambda _: told(address))
    assert await refusal(dialer, "innocent.example", 80) == "refused_address"


async def test_a_nat64_with_a_prefix_of_its_own_is_found_out() -> None:
    """By one question, asked when an IPv6 address is to be judged, and for each minute again."""
    asked: list[str] = []
    names = {
        "ipv4only.arpa": told("192.0.0.170", "2a00:1098:2b::c000:aa", "2a00:1098:2b::c000:ab"),
        "metadata.example": told("2a00:1098:2b::a9fe:a9fe"),
        "public.example": told("2a00:1098:2b::101:101", "2606:4700::1111"),
        "four.example": told("1.1.1.1"),
    }

    def look_up(host: str) -> Iterable[Address]:
        asked.append(host)
        return names[host]

    dialer = Dialer(look_up=look_up)
    await dialer.resolve("four.example", 80)
    assert asked == ["four.example"]
    assert await refusal(dialer, "metadata.example", 80) == "refused_address"
    assert await dialer.resolve("public.example", 80) == names["public.example"]
    assert asked.count("ipv4only.arpa") == 1


async def test_a_network_that_says_nothing_of_a_nat64_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.egress.dialer.NAT64_S", 0.05)
    release = threading.Event()

    def look_up(host: str) -> Iterable[Address]:
        if host == "ipv4only.arpa":
            release.wait(30)
            raise socket.gaierror
        return told("2606:4700::1111")

    assert await Dialer(look_up=look_up).resolve("a.example", 80) == told("2606:4700::1111")
    release.set()
    assert await Dialer(look_up=look_up).resolve("a.example", 80) == told("2606:4700::1111")


async def test_the_sentence_says_who_can_allow_it() -> None:
    with pytest.raises(DownloadError) as caught:
        await Dialer(look_up=lambda _: told("10.0.0.1")).resolve("nas.example", 80)
    assert caught.value.failure.text == (
        "nas.example resolves to this machine or a private network, which links may not reach."
        " Whoever runs this machine can allow it: ALLOWED_PRIVATE_HOSTS."
    )
    assert not caught.value.retryable


@pytest.mark.fault(35)
@pytest.mark.parametrize("host", ["a" * 300, "a..b", ".", "\udcff.example", "a\0b", "no-such-name.invalid"])
async def test_a_name_that_is_none(host: str) -> None:
    assert await refusal(Dialer(), host, 80) == "dns"


@pytest.mark.fault(35)
async def test_a_name_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.egress.dialer.RESOLVE_S", 0.05)
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hangs(_: str) -> Iterable[Address]:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(30)
        return told("127.0.0.1")

    assert await refusal(Dialer(look_up=hangs), "slow.example", 80) == "dns"
    release.set()


async def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    dialer = Dialer(Exceptions.parse("127.0.0.0/8"), look_up=lambda _: told("127.0.0.1", "127.0.0.2"))
    assert await refusal(dialer, "127.0.0.1", port) == "unreachable"
    assert await refusal(dialer, "two.example", port) == "unreachable"


def without(
    monkeypatch: pytest.MonkeyPatch, number: int, *, family: int | None = None, kind: int | None = None
) -> None:
    """From now on no socket of this family, or this kind, is to be had."""

    class Refusing(socket.socket):
        def __init__(self, *arguments: int, **how: int) -> None:
            made = "fileno" not in how  # and not accepted
            if made and (arguments[:1] == (family,) or arguments[1:2] == (kind,)):
                raise OSError(number, os.strerror(number))
            super().__init__(*arguments, **how)

    monkeypatch.setattr(socket, "socket", Refusing)


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EPERM, errno.EACCES])
@pytest.mark.parametrize("better", ["2606:4700::1111", "::1"])
async def test_a_machine_that_makes_no_sockets_for_ipv6(
    monkeypatch: pytest.MonkeyPatch, number: int, better: str
) -> None:
    """Its kernel has none, or a filter around us. Hosts that have both are reached by the other one."""
    async with listening() as listener:
        without(monkeypatch, number, family=socket.AF_INET6)
        dialer = Dialer(Exceptions.parse("127.0.0.1, ::1"), look_up=lambda _: told(better, "127.0.0.1"))
        (await dialer.dial("both.example", listener.port)).close()
        await until(lambda: listener.entries == 1)
        only = Dialer(Exceptions.parse("::1"), look_up=lambda _: told(better))
        assert await refusal(only, "six.example", listener.port) == "unreachable"


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
async def test_without_a_file_left_nothing_is_dialed_and_nothing_is_judged(
    monkeypatch: pytest.MonkeyPatch, kind: int
) -> None:
    without(monkeypatch, errno.EMFILE, kind=kind)
    for addresses in (["2606:4700::1111"], ["2606:4700::1111", "1.1.1.1"]):
        with pytest.raises(DownloadError) as caught:
            await Dialer(look_up=lambda _, found=addresses: told(*found)).dial("a.example", 80)  # type: ignore[misc]
        assert (caught.value.code, caught.value.retryable) == ("unreachable", True)


@contextmanager
def silent(*addresses: str) -> Iterator[int]:
    """The port at which these addresses do not answer: as many as are to wait for an answer do so already."""
    with ExitStack() as stack:
        port = 0
        for address in addresses:
            full = stack.enter_context(socket.create_server((address, port), backlog=0))
            port = full.getsockname()[1]
            for _ in range(4):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex((address, port))
        yield port


async def test_many_names_with_many_silent_addresses_take_few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.egress.dialer.BESIDE_MAX", 3)
    monkeypatch.setattr("reactor.net.race.STAGGER_S", 0.001)
    addresses = [f"127.0.0.{n}" for n in range(2, 10)]
    dialer = Dialer(Exceptions.parse("127.0.0.0/8"), look_up=lambda _: told(*addresses))
    with silent(*addresses) as port:
        before = files()
        async with anyio.create_task_group() as tasks:
            for n in range(10):
                tasks.start_soon(dialer.dial, f"silent-{'abcdefghij'[n]}.example", port)
            await until(lambda: files() - before == 10 + 3)
            for _ in range(20):
                await anyio.sleep(0.005)
                assert files() - before == 10 + 3, "one for each, and few beside"
            with socket.create_server(("127.0.0.9", 0)) as good:
                refusing = Dialer(Exceptions.parse("127.0.0.0/8"), look_up=lambda _: told("127.0.0.1", "127.0.0.9"))
                refusing._beside = dialer._beside
                (await refusing.dial("two.example", good.getsockname()[1])).close()
            tasks.cancel_scope.cancel()
        assert files() == before
        assert dialer._beside.value == 3


async def test_the_second_address_when_the_first_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no connection is left over."""
    with socket.create_server(("127.0.0.2", 0), backlog=0) as full:
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]  # more than its backlog holds: the next one waits
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.2", port))
        with socket.create_server(("127.0.0.1", port)):
            dialer = Dialer(Exceptions.parse("127.0.0.0/8"), look_up=lambda _: told("127.0.0.2", "127.0.0.1"))
            connection = await dialer.dial("two.example", port)
            assert connection.getpeername()[0] == "127.0.0.1"
            connection.close()
            monkeypatch.setattr("reactor.egress.dialer.DIAL_S", 0.05)
            assert await refusal(dialer, "127.0.0.2", port) == "timeout"
        for filler in fillers:
            filler.close()


async def test_a_cancel_while_it_dials_leaves_no_socket() -> None:
    with socket.create_server(("127.0.0.2", 0), backlog=0) as full:
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        dialer = Dialer(Exceptions.parse("127.0.0.2"))
        with anyio.move_on_after(0.05) as scope:
            await dialer.dial("127.0.0.2", full.getsockname()[1])
        assert scope.cancelled_caught  # a socket that was left would warn, and a warning is an error
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::ffff:127.0.0.1"])
def test_this_machine(address: str) -> None:
    assert is_here(ip_address(address))


@pytest.mark.parametrize("address", ["192.0.2.1", "224.0.0.1", "255.255.255.255", "2001:db8::1"])
def test_another_machine(address: str) -> None:
    assert not is_here(ip_address(address))


def test_every_address_of_this_machine_is_known_as_its_own() -> None:
    """Whatever interfaces it has, public ones too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return  # it has none but the loopback one
        assert is_here(ip_address(probe.getsockname()[0]))
