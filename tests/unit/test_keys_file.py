"""The keys file on a target: a pair is put in, and nothing else is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from module_utils import keys_file

words = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30)


def test_a_new_file_holds_the_pair() -> None:
    assert keys_file.with_pair("", ("key", "secret")) == '"key": "secret"\n'


def test_a_rotation_in_progress_stays() -> None:
    text = '# two at once, until Friday\nnew: s2\n"key": "secret"\n'
    assert keys_file.with_pair(text, ("key", "secret")) == text


def test_a_pair_that_is_missing_is_put_first_and_the_others_stay() -> None:
    assert keys_file.with_pair("new: s2\n", ("key", "s1")) == '"key": "s1"\nnew: s2\n'


def test_a_changed_secret_replaces_that_of_its_key_alone() -> None:
    assert keys_file.with_pair("a: s1\nkey: old\n", ("key", "s")) == 'a: s1\n"key": "s"\n'


@pytest.mark.parametrize("text", ["- a\n", "key s3cret\n", "a: {\n  b: c }\n"])
def test_a_file_of_another_form_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(keys_file.KeysFileError) as mistake:
        keys_file.with_pair(text, ("key", "secret"))
    assert "mend it" in str(mistake.value)
    assert "s3cret" not in str(mistake.value)


@given(pairs=st.dictionaries(words, words, max_size=4), key=words, secret=words)
def test_what_was_there_is_there_and_the_pair_too(
    pairs: dict[str, str], key: str, secret: str
) -> None:
    text = ""
    for each in pairs.items():
        text = keys_file.with_pair(text, each)
    found = yaml.safe_load(keys_file.with_pair(text, (key, secret)))
    assert found == {**pairs, key: secret}


def test_containers_that_have_mounted_the_file_read_the_new_text(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    keys_file.write(path, "a: longer than what comes\n", os.getuid())
    before = path.stat().st_ino
    keys_file.write(path, "b: c\n", os.getuid())
    assert path.read_text() == "b: c\n"
    assert path.stat().st_ino == before
    assert path.stat().st_mode & 0o777 == 0o600
