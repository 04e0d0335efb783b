"""Every word of a policy is in the documentation, and its examples are policies."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import yaml

from graph.document_values import plain_value
from graph.kinds.policy import ComponentPolicy, PlacementPolicy, SiteSelector
from graph.spelling import camel
from placement.rules import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "placement.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("## What a policy says") : PAGE.index("## Latency")]


def test_every_word_and_every_rule_is_documented() -> None:
    for struct in (PlacementPolicy, ComponentPolicy, SiteSelector):
        for one in msgspec.structs.fields(struct):
            assert re.search(rf"`{camel(one.name)}[`:]", SECTION), one.name
    for rule in RULES:
        assert f"| `{rule.name}` |" in PAGE, rule.name


def test_the_examples_are_policies() -> None:
    examples = re.findall(r"^\| .* \| `([a-zA-Z]+: .*)` \|$", SECTION, re.MULTILINE)
    assert len(examples) > 20
    names = {camel(one.name) for one in msgspec.structs.fields(PlacementPolicy)}
    for text in examples:
        value = yaml.safe_load(text.replace(", …", ""))
        (word,) = value
        declared = PlacementPolicy if word in names else SiteSelector
        assert plain_value(declared, value, (), "") != declared()


def test_the_written_out_policies_are_policies() -> None:
    blocks = re.findall(r"(?:^    .*\n)+", SECTION, re.MULTILINE)
    assert len(blocks) == 4
    for block in blocks:
        assert plain_value(PlacementPolicy, yaml.safe_load(block), (), "") != PlacementPolicy()
