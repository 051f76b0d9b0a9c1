"""The keys file: LiveKit's own `keys:` map, read without ever showing the secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from releve import keys


def test_the_first_pair_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text("APIkey: s3cret-of-thirty-two-characters!\nother: pair\n")
    assert keys.load(path) == keys.Keys("APIkey", "s3cret-of-thirty-two-characters!")


def test_the_secret_does_not_show_in_a_repr() -> None:
    assert "s3cret" not in repr(keys.Keys("APIkey", "s3cret"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "holds no key"),
        (b"just text s3cret", "holds no key"),
        (b"- s3cret", "holds no key"),
        (b"key: [s3cret", "not YAML"),
        (b"key: s3cret\xff", "not YAML"),
        (b"key: 12345678", "must both be text; quote them"),
        (b"key:", "must both be text; quote them"),
        (b"12: s3cret", "must both be text; quote them"),
        (b"key: {nested: s3cret}", "must both be text; quote them"),
    ],
)
def test_a_file_without_a_pair_is_explained(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "keys.yaml"
    path.write_bytes(content)
    with pytest.raises(keys.KeysError) as mistake:
        keys.load(path)
    assert sentence in str(mistake.value)
    assert str(path) in str(mistake.value)
    assert "s3cret" not in str(mistake.value)


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(keys.KeysError, match="No such file or directory; mount it"):
        keys.load(tmp_path / "absent")
