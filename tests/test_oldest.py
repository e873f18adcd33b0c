"""The oldest versions allowed are read off pyproject.toml, with none left out."""

import tomllib

import pytest
from assertions import exactly
from oldest import PROJECT, oldest

SMALL = {
    "build-system": {"requires": ["builder>=2.1"]},
    "project": {
        "name": "own",
        "dependencies": ["first>=1.0"],
        "optional-dependencies": {
            "one": ["lazy[array]>=3"],
            "two": ["own[one,three]", "last>=4.0.1"],
            "three": ["any"],
        },
    },
}


def test_lower_bounds_become_versions():
    assert list(oldest(SMALL, ["one"])) == ["builder==2.1", "first==1.0", "lazy[array]==3"]


def test_extras_of_extras_are_followed_and_nothing_is_left_without_a_bound():
    with pytest.raises(
        ValueError, match=exactly("'any' has no lower bound that can be read; expected name>=version")
    ):
        list(oldest(SMALL, ["two"]))


@pytest.mark.parametrize("requirement", ["capped>=1,<2", "exact==1", "marked>=1; python_version < '3.12'"])
def test_requirements_of_other_forms_are_errors(requirement):
    project = {**SMALL, "project": {**SMALL["project"], "dependencies": [requirement]}}
    with pytest.raises(ValueError, match="has no lower bound that can be read"):
        list(oldest(project, []))


@pytest.mark.skipif(not PROJECT.is_file(), reason="only the tests are here")
def test_the_extras_that_are_tested_have_lower_bounds():
    project = tomllib.loads(PROJECT.read_text())
    pins = list(oldest(project, ["test", "backends"]))
    assert len(pins) == len(dict.fromkeys(pins)) >= 15
