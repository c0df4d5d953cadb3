"""What is deleted, by age, by amount and by status."""

from __future__ import annotations

import pytest

from reactor.database.published import Published
from reactor.errors import SettingsError
from reactor.models import Status
from reactor.retention.policy import DAY_S, GIB, GRACE_S, Policy, Reason, policy_of, too_much
from reactor.settings import Settings

NOW = 1_800_000_000.0


def file(
    id: int, age_s: float = 2 * GRACE_S, size: int = 10, content: str | None = None, status: str = "sent"
) -> Published:
    return Published(id, id, 1, f"{id}.bin", size, content or str(id), NOW - age_s, status)


def test_nothing_is_asked_for_without_the_settings() -> None:
    assert not policy_of(Settings(_env_file=None))
    assert not Policy()
    assert Policy(age_s=1.0)
    assert Policy(bytes_max=1)
    assert Policy(statuses=frozenset({"a"}))


def test_the_settings_are_read() -> None:
    settings = Settings(_env_file=None, keep_days="0.5", keep_gib=2, delete_statuses=" uploaded ,sent,,")
    assert policy_of(settings) == Policy(DAY_S / 2, 2 * GIB, frozenset({"uploaded", "sent"}))


@pytest.mark.parametrize("status", Status)
def test_a_status_of_reactors_is_refused(status: Status) -> None:
    with pytest.raises(SettingsError, match=f"DELETE_STATUSES: takes words that the bot sets.*{status.value}"):
        Settings.load(_env_file=None, delete_statuses=f"uploaded, {status.value}")


def test_age_counts_to_the_second() -> None:
    policy = Policy(age_s=100.0)
    assert policy.reason(file(1, 100), NOW) is Reason.AGE
    assert policy.reason(file(1, 99), NOW) is None
    assert Policy().reason(file(1, 10**9), NOW) is None


def test_a_status_counts_at_once() -> None:
    policy = Policy(age_s=100.0, statuses=frozenset({"uploaded"}))
    assert policy.reason(file(1, 0, status="uploaded"), NOW) is Reason.STATUS
    assert policy.reason(file(1, 0, status="uploading"), NOW) is None
    assert Policy(statuses=frozenset({"a"})).reason(Published(1, 1, 1, "a", 1, "c", NOW, None), NOW) is None


def test_the_first_go_until_it_is_enough() -> None:
    files = [file(1), file(2), file(3)]
    assert too_much(files, 30, NOW) == []
    assert too_much(files, 29, NOW) == files[:1]
    assert too_much(files, 10, NOW) == files[:2]
    assert too_much(files, 0, NOW) == files


def test_what_is_younger_than_an_hour_stays() -> None:
    files = [file(1, GRACE_S), file(2, GRACE_S - 1)]
    assert too_much(files, 0, NOW) == files[:1]


def test_one_file_of_several_rows_counts_once_and_is_free_with_the_last() -> None:
    files = [file(1, content="same"), file(2), file(3, content="same"), file(4)]
    assert too_much(files, 30, NOW) == []
    assert too_much(files, 29, NOW) == files[:2]
    assert too_much(files, 10, NOW) == files[:3]


def test_the_notes_are_sentences() -> None:
    policy = Policy(age_s=DAY_S)
    assert policy.note(Reason.AGE) == "The file was deleted after 1 day."
    assert Policy(age_s=2.5 * DAY_S).note(Reason.AGE) == "The file was deleted after 2.5 days."
    assert {policy.note(each) for each in (Reason.SIZE, Reason.STATUS)} == {
        "The file was deleted to make room for others.",
        "The file was deleted.",
    }
