"""What the README promises: its example runs and prints what stands there, its commands and links exist."""

import re
import subprocess
import sys

import pytest

import torch_impl


@pytest.fixture(scope="module")
def readme(pytestconfig):
    return (pytestconfig.rootpath / "README.md").read_text()


def blocks(text, language):
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.M | re.S)
    return [block for kind, block in found if kind == language]


def rounded(text):
    """Numbers to four digits: the last ones belong to the machine."""
    return re.sub(r"-?\d+\.\d+(e[-+]\d+)?", lambda number: f"{float(number[0]):.4g}", text)


def test_the_example_prints_what_the_readme_shows(readme, monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # a report made under pytest names the test that reruns it
    (example,) = blocks(readme, "python")
    run = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=True)
    shown = next(block for block in blocks(readme, "") if "leaves differ" in block)
    assert rounded(run.stdout.strip()) == rounded(shown.strip())


def test_the_table_has_every_topic(readme):
    """In reading order; batches are compared bit for bit, and laws by their draws: neither has an error to show."""
    shown = next(block for block in blocks(readme, "") if block.startswith("topic "))
    rows = re.findall(r"^(\w+) +output +\d+ ", shown, flags=re.M)
    assert rows == [topic for topic in torch_impl.__all__ if topic not in ("data", "initializers")]


def test_every_topic_stands_in_the_list(readme):
    assert re.findall(r"^\| (\w+) \| \[`torch_impl`\]", readme, flags=re.M) == torch_impl.__all__


def test_every_link_leads_somewhere(readme, pytestconfig):
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", readme) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (pytestconfig.rootpath / link).exists()] == []


def test_every_make_target_exists(readme, pytestconfig):
    makefile = (pytestconfig.rootpath / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.M))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", readme, flags=re.M)) <= targets
