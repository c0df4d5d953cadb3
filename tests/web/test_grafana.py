"""The dashboard and the alert rules speak of metrics that exist, by labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.journal.samples import EVERY
from tests.journal.test_metrics import Story, begun, completed, progressed

FOLDER = Path(__file__).parents[2] / "contrib" / "grafana"
OF_THE_SCRAPE = {"job", "instance"}
AGGREGATIONS = {"sum", "min", "max"}
FUNCTIONS = {"changes", "histogram_quantile", "increase", "rate"}
GROUPING = {"by", "on"}
WORDS = {"and"}
TOKEN = re.compile(
    r'(?P<string>"(?:[^"\\]|\\.)*")|(?P<range>\[(?:\d+[smhd]|\$__rate_interval)\])|(?P<number>\d+(?:\.\d+)?)'
    r"|(?P<name>[a-z_][a-z0-9_]*)|(?P<sign>=~|!~|!=|==|>=|<=|[-+*/(){},=<>])|(?P<space>\s+)",
    re.IGNORECASE,
)


def known() -> dict[str, set[str]]:
    """The samples that a scraper can see, each with its labels."""
    story = Story()
    story.tell(*EVERY, *begun(), progressed(10), *completed())
    story.metrics.queued({"pending": 1}, 1.0)
    story.metrics.served_by({"a": (1, 2.0)})
    families = story.metrics.registry.collect()
    found = {"up": set[str]()}
    for sample in (sample for family in families for sample in family.samples):
        found.setdefault(sample.name, set()).update(sample.labels)
    return found


KNOWN = known()


def tokens(expression: str) -> list[tuple[str, str]]:
    """Kind and text of each token. Fails where nothing of PromQL stands."""
    found, at = [], 0
    while at < len(expression):
        match = TOKEN.match(expression, at)
        assert match is not None, f"not understood: {expression[at:]}"
        assert match.lastgroup is not None
        if match.lastgroup != "space":
            found.append((match.lastgroup, match[0]))
        at = match.end()
    return found


def check(expression: str) -> set[str]:
    """Assert that an expression holds together; the metrics in it."""
    found = [*tokens(expression), ("end", "")]
    metrics: set[str] = set()
    labels: set[str] = set()
    closing: list[str] = []
    for place, (kind, text) in enumerate(found):
        after = found[place + 1][1] if place + 1 < len(found) else ""
        if text in "({" and text:
            closing.append(")" if text == "(" else "}")
            if text == "(" and found[place - 1][1] in GROUPING:
                labels |= set(names_until(found[place + 1 :], ")"))
        elif text in ")}" and text:
            assert closing, f"{text} too many: {expression}"
            assert closing.pop() == text, expression
        elif kind == "name" and "}" in closing:
            assert after in ("=", "=~", "!=", "!~"), f"{text} is compared with nothing: {expression}"
            assert found[place + 2][0] == "string", expression
            labels.add(text)
        elif kind == "name" and text in labels and after in (",", ")"):
            continue
        elif kind == "name" and after == "(" and text not in GROUPING:
            assert text in AGGREGATIONS | FUNCTIONS, f"no function {text}: {expression}"
        elif kind == "name" and text not in AGGREGATIONS | GROUPING | WORDS:
            assert text in KNOWN, f"no metric {text}: {expression}"
            metrics.add(text)
        elif kind == "range":
            assert found[place - 1][1] == "}" or found[place - 1][1] in KNOWN, expression
    assert closing == [], expression
    strangers = labels - OF_THE_SCRAPE - set().union(*(KNOWN[name] for name in metrics))
    assert not strangers, f"no label {strangers}: {expression}"
    return metrics


def names_until(found: list[tuple[str, str]], end: str) -> Iterator[str]:
    for kind, text in found:
        if text == end:
            return
        if kind == "name":
            yield text


def dashboard() -> list[str]:
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def rules() -> dict[str, str]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


@pytest.mark.parametrize("expression", dashboard())
def test_the_dashboard_asks_for_what_exists(expression: str) -> None:
    assert check(expression)


@pytest.mark.parametrize("alert", rules())
def test_the_rules_ask_for_what_exists(alert: str) -> None:
    assert check(rules()[alert])


@pytest.mark.parametrize(
    "wrong",
    [
        "reactor_queue_row",
        'reactor_queue_rows{state="pending"}',
        "sum by (kind) (reactor_queue_rows)",
        "rate(reactor_received_bytes_total[5m]",
        "rates(reactor_received_bytes_total[5m])",
        "reactor_downloads",
        "reactor_queue_rows{status=pending}",
        "reactor_queue_rows # 1",
    ],
)
def test_what_is_wrong_would_be_found(wrong: str) -> None:
    with pytest.raises(AssertionError):
        check(wrong)


def test_nothing_that_is_measured_is_left_out_of_the_dashboard() -> None:
    asked = set().union(*(check(expression) for expression in dashboard()))
    stems = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in KNOWN if name.startswith("reactor_")}
    assert ours - stems == {"reactor_info"}


def test_the_table_lists_each_metric_with_its_labels() -> None:
    listed = {
        name: set(re.findall(r"`(\w+)`", labels))
        for name, labels in re.findall(
            r"^\| `(reactor_\w+)` \| ([^|]*)\|", (FOLDER / "README.md").read_text(), re.MULTILINE
        )
    }
    ours: dict[str, set[str]] = {}
    for name, labels in KNOWN.items():
        if name.startswith("reactor_"):
            ours.setdefault(re.sub(r"_(bucket|sum|count)$", "", name), set()).update(labels - {"le"})
    assert listed == ours


def test_each_rule_says_what_and_what_to_do() -> None:
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]
            assert "{{ $labels.instance }}" in rule["annotations"]["summary"], rule["alert"]
            assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]


def test_panels_neither_overlap_nor_share_an_id() -> None:
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    assert len({panel["id"] for panel in panels}) == len(panels)
