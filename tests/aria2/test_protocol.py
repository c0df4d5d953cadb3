"""The conversation with aria2, as pure text in and out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.aria2 import methods
from reactor.aria2.methods import Method
from reactor.aria2.protocol import Protocol, Reply, Request, split
from reactor.core.events import TransferNotified, TransferReport, TransferStatus
from reactor.errors import Aria2Error, Aria2Refused, Aria2Unauthorized

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
GID = "2089b05ecca3d829"


def echo(*params: Any) -> Method[Any]:
    return Method("aria2.echo", params, lambda result: result)


def sent(request: Request) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(request.data)
    return message


def answer(request: Request, **content: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request.id, **content})


def one(protocol: Protocol, frame: str | bytes) -> Any:
    (item,) = protocol.receive(frame)
    return item


def outcome(protocol: Protocol, request: Request, **content: Any) -> Any:
    reply = one(protocol, answer(request, **content))
    assert isinstance(reply, Reply)
    (value,) = reply.outcomes
    return value


def ask(protocol: Protocol, *wanted: Method[Any]) -> Request:
    return protocol.batch([protocol.encode(method) for method in wanted])


class TestOut:
    def test_a_call_carries_the_secret_first(self) -> None:
        request = Protocol("s3cret").request(methods.force_remove(GID))
        expected = {"jsonrpc": "2.0", "id": 1, "method": "aria2.forceRemove", "params": ["token:s3cret", GID]}
        assert sent(request) == expected
        assert "s3cret" not in repr(request)

    def test_without_a_secret_there_is_no_token(self) -> None:
        assert sent(Protocol().request(methods.get_version()))["params"] == []

    def test_a_batch_carries_the_secret_in_each_call(self) -> None:
        request = ask(Protocol("s3cret"), methods.get_version(), methods.force_remove(GID))
        assert sent(request)["method"] == "system.multicall"
        assert sent(request)["params"] == [
            [
                {"methodName": "aria2.getVersion", "params": ["token:s3cret"]},
                {"methodName": "aria2.forceRemove", "params": ["token:s3cret", GID]},
            ]
        ]

    def test_ids_never_repeat(self) -> None:
        protocol = Protocol()
        ids = [protocol.request(echo()).id, ask(protocol, echo()).id]
        protocol.abandon()
        ids += [protocol.request(echo()).id]
        assert len(set(ids)) == 3

    @pytest.mark.parametrize("value", ["\ud800", float("nan"), object()])
    def test_what_json_cannot_carry_is_refused_here(self, value: Any) -> None:
        protocol = Protocol()
        with pytest.raises(Aria2Refused, match=r"aria2\.echo cannot be written"):
            protocol.request(echo(value))
        with pytest.raises(Aria2Refused):
            protocol.encode(echo(value))
        assert protocol.pending == 0

    def test_calls_are_counted_by_name(self) -> None:
        protocol = Protocol()
        protocol.request(methods.get_version())
        ask(protocol, methods.get_version(), echo())
        assert protocol.calls == {"aria2.getVersion": 2, "aria2.echo": 1, "system.multicall": 1}

    @given(st.lists(st.text(max_size=300), max_size=40), st.integers(100, 2000))
    def test_a_batch_is_cut_by_bytes_and_nothing_is_lost(self, values: list[str], bytes_max: int) -> None:
        protocol = Protocol("s3cret")
        parts = [protocol.encode(echo(value)) for value in values]
        groups = list(split(parts, bytes_max))
        assert [part for group in groups for part in group] == parts
        for group in groups:
            assert len(group) == 1 or sum(len(part.data) + 1 for part in group) <= bytes_max + 1


class TestIn:
    @given(JSON)
    def test_a_result_comes_back_as_it_was(self, value: Any) -> None:
        protocol = Protocol()
        assert outcome(protocol, protocol.request(echo()), result=value) == value
        assert protocol.pending == 0

    def test_a_batch_of_one_is_a_plain_call(self) -> None:
        protocol = Protocol()
        request = ask(protocol, echo())
        assert request.name == echo().name
        assert one(protocol, answer(request, result=7)) == Reply(request.id, (7,))

    @given(st.lists(JSON, min_size=2, max_size=5))
    def test_a_batch_comes_back_item_by_item(self, values: list[Any]) -> None:
        protocol = Protocol()
        request = ask(protocol, *[echo() for _ in values])
        reply = one(protocol, answer(request, result=[[value] for value in values]))
        assert reply == Reply(request.id, tuple(values))

    def test_one_item_of_a_batch_may_be_refused(self) -> None:
        protocol = Protocol()
        request = ask(protocol, echo(), methods.tell_status(GID), echo())
        items = [["one"], {"code": 1, "message": f"GID {GID} is not found"}, {"code": 1, "message": "no"}]
        first, second, third = one(protocol, answer(request, result=items)).outcomes
        assert first == "one"
        assert second == TransferReport(GID, TransferStatus.UNKNOWN)
        assert isinstance(third, Aria2Refused)
        assert (third.message, third.number, third.retryable) == ("no", 1, False)

    def test_a_batch_refused_as_a_whole(self) -> None:
        protocol = Protocol()
        request = ask(protocol, echo(), echo())
        outcomes = one(protocol, answer(request, error={"code": -32601, "message": "no such thing"})).outcomes
        assert [(type(o), o.number) for o in outcomes] == [(Aria2Refused, -32601)] * 2

    @pytest.mark.parametrize("result", [None, 7, [], [["a"]], [["a"], ["b"], ["c"]], {"a": 1}])
    def test_a_batch_of_the_wrong_length_is_no_answer(self, result: Any) -> None:
        protocol = Protocol()
        outcomes = one(protocol, answer(ask(protocol, echo(), echo()), result=result)).outcomes
        assert [type(o) for o in outcomes] == [Aria2Error] * 2

    @pytest.mark.parametrize("result", [None, 7, "x", [], {"gid": GID, "status": "dancing"}, {"status": "active"}])
    def test_a_result_of_the_wrong_shape_is_an_error(self, result: Any) -> None:
        protocol = Protocol()
        error = outcome(protocol, protocol.request(methods.tell_status(GID)), result=result)
        assert isinstance(error, Aria2Error)
        assert not error.retryable
        assert "aria2.tellStatus" in error.message

    def test_a_wrong_secret_is_an_error_of_its_own(self) -> None:
        protocol = Protocol("s3cret")
        request = protocol.request(echo())
        assert isinstance(outcome(protocol, request, error={"code": 1, "message": "Unauthorized"}), Aria2Unauthorized)

    def test_the_secret_is_not_in_an_error(self) -> None:
        protocol = Protocol("s3cret")
        error = outcome(protocol, protocol.request(echo()), error={"code": 1, "message": "what is token:s3cret?"})
        assert str(error) == "what is token:***?"

    @pytest.mark.parametrize(
        ("method", "message"),
        [
            (methods.force_remove(GID), f"Active Download not found for GID#{GID}"),
            (methods.force_remove(GID), f"GID {GID} is not found"),
            (methods.remove_download_result(GID), f"Could not remove download result of GID#{GID}"),
        ],
    )
    def test_removing_what_is_not_there_is_an_answer(self, method: Method[bool], message: str) -> None:
        protocol = Protocol()
        assert outcome(protocol, protocol.request(method), error={"code": 1, "message": message}) is False

    @pytest.mark.parametrize(
        ("name", "word"),
        [
            ("onDownloadStop", "stop"),
            ("onDownloadComplete", "complete"),
            ("onDownloadError", "error"),
            ("onBtDownloadComplete", "bt_complete"),
        ],
    )
    def test_notifications(self, name: str, word: str) -> None:
        frame = json.dumps({"jsonrpc": "2.0", "method": f"aria2.{name}", "params": [{"gid": GID}, {"gid": "other"}]})
        expected = [TransferNotified(GID, word), TransferNotified("other", word)]
        assert list(Protocol().receive(frame)) == expected

    @pytest.mark.fault(24)
    @pytest.mark.parametrize(
        ("frame", "why"),
        [
            ('{"id":null,"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request."}}', "null id"),
            ('{"jsonrpc":"2.0","result":1}', "null id"),
            ('{"id":7,"jsonrpc":"2.0","result":1}', "unknown id"),
            ('{"id":true,"jsonrpc":"2.0","result":1}', "unknown id"),
            ('{"id":1.0,"jsonrpc":"2.0","result":1}', "unknown id"),
            ('{"id":[1],"jsonrpc":"2.0","result":1}', "unknown id"),
            ('{"id":1,"jsonrpc":"2.0"}', "malformed"),
            ("not json", "malformed"),
            ('{"id":1,"result":', "malformed"),
            ("[" * 100_000, "malformed"),
            (b"\xff\xfe{", "malformed"),
            ("[1, 2]", "malformed"),
            ('{"method":"aria2.onNoon","params":[]}', "other notification"),
            ('{"method":7,"params":[]}', "other notification"),
            ('{"method":"aria2.onDownloadStop","params":null}', "other notification"),
            ('{"method":"aria2.onDownloadStart","params":[{"gid":"2089b05ecca3d829"}]}', "other notification"),
        ],
    )
    def test_what_leads_to_nothing_is_counted(self, frame: str | bytes, why: str) -> None:
        protocol = Protocol()
        request = protocol.request(echo())
        assert list(protocol.receive(frame)) == []
        assert protocol.ignored == {why: 1}
        assert outcome(protocol, request, result="still there") == "still there"

    def test_an_answer_that_comes_twice_counts_once(self) -> None:
        protocol = Protocol()
        frame = answer(protocol.request(echo()), result=1)
        assert len(list(protocol.receive(frame))) == 1
        assert list(protocol.receive(frame)) == []

    def test_nobody_waits_any_more(self) -> None:
        protocol = Protocol()
        first, second = protocol.request(echo()), ask(protocol, echo())
        protocol.forget(first.id)
        assert protocol.pending == 1
        protocol.abandon()
        assert list(protocol.receive(answer(first, result=1))) == []
        assert list(protocol.receive(answer(second, result=[[1]]))) == []
        assert protocol.ignored == {"unknown id": 2}

    def test_a_name_that_is_not_utf_8(self) -> None:
        protocol = Protocol()
        frame = answer(protocol.request(echo()), result="?").encode().replace(b"?", b"\xff")
        assert one(protocol, frame).outcomes == ("\ufffd",)

    @pytest.mark.fault(24)
    @given(st.binary(max_size=200) | st.text(max_size=200) | JSON.map(json.dumps))
    def test_nothing_that_comes_can_make_it_fail(self, frame: bytes | str) -> None:
        protocol = Protocol("s3cret")
        protocol.request(methods.tell_status(GID))
        ask(protocol, methods.get_version(), methods.get_session_info())
        for item in protocol.receive(frame):
            assert isinstance(item, Reply | TransferNotified)

    @given(st.sampled_from([1, 2]), JSON, st.booleans())
    def test_nor_any_answer(self, request_id: int, content: Any, good: bool) -> None:
        protocol = Protocol("s3cret")
        protocol.request(methods.tell_status(GID))
        ask(protocol, methods.get_version(), methods.force_remove(GID))
        reply = one(protocol, json.dumps({"id": request_id, "result" if good else "error": content}))
        assert len(reply.outcomes) == request_id
        assert reply.id == request_id
