"""What commands print for programs."""

import json
from datetime import UTC, datetime

import yaml

from sojourn.cli._output import json_line, print_each, yaml_document
from sojourn.models import Artifact

TIME = datetime(2026, 3, 1, 12, tzinfo=UTC)
ARTIFACT = Artifact(session_id="s", name="naïve.png", labels={"b": "2", "a": "yes"}, create_time=TIME)


def test_json_is_one_line_of_the_model():
    line = json_line(ARTIFACT)
    assert "\n" not in line
    assert "naïve" in line
    assert Artifact.model_validate_json(line) == ARTIFACT


def test_yaml_is_a_document_of_the_same_values():
    text = yaml_document(ARTIFACT)
    assert text.startswith("---\n")
    assert text.endswith("\n")
    assert yaml.safe_load(text) == json.loads(json_line(ARTIFACT))
    assert text.index("b:") < text.index("a:")  # in the model's order


def test_models_inside_of_documents():
    assert json.loads(json_line({"snapshot": ARTIFACT}))["snapshot"]["name"] == "naïve.png"


def test_many_are_a_line_each_or_a_stream_of_documents(capsys):
    print_each([{"n": 1}, {"n": 2}], "json")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [{"n": 1}, {"n": 2}]
    print_each([{"n": 1}, {"n": "\x1b[31m"}], "yaml")
    out = capsys.readouterr().out
    assert list(yaml.safe_load_all(out)) == [{"n": 1}, {"n": "\x1b[31m"}]
    assert "\x1b" not in out
