"""A folder holds one job: what differs is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import DataError, OutputError
from yolact_deploy.inference.shards.job import JobDescription, open_job

CONFIG = ModelConfig.named("yolact_nano")
NAMES = tuple(f"{number}.jpg" for number in range(7))


def description(
    names: tuple[str, ...] = NAMES, size: int = 3, config: ModelConfig = CONFIG, **facts: str
) -> JobDescription:
    return JobDescription(names, size, config, {"model's SHA-256": "aa", "--score": "0.3", **facts})


def test_shards_hold_every_picture_once(tmp_path: Path) -> None:
    job = description().join(tmp_path / "new" / "job")
    assert job.shards == 3
    assert [index for shard in range(3) for index in job.range_of(shard)] == list(range(7))
    again = open_job(tmp_path / "new" / "job")
    assert (again.names, again.identity, again.config) == (job.names, job.identity, CONFIG)
    assert description().join(tmp_path / "new" / "job") == job


@pytest.mark.parametrize("names", [("a\nb.jpg", "größe 猫.jpg", "\udcff.jpg"), ("x",)])
def test_hard_names(tmp_path: Path, names: tuple[str, ...]) -> None:
    description(names).join(tmp_path)
    assert open_job(tmp_path).names == names


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (description(size=4), "it has --shard-size 3, not 4"),
        (description(**{"--score": "0.5"}), "its --score is 0.3, not 0.5"),
        (description(**{"--classes": "[\udcff]"}), "its --classes is none, not"),
        (description(**{"model's SHA-256": "bb"}), "its model's SHA-256 is aa, not bb"),
        (description((*NAMES, "new.jpg")), r"1 pictures are new \(new.jpg\)"),
        (description(NAMES[1:]), r"1 are gone \(0.jpg\)"),
        (description(NAMES[::-1]), "another order"),
        (description(config=CONFIG.with_num_classes(3)), "another configuration"),
    ],
)
def test_another_job_is_refused_by_what_differs(tmp_path: Path, other: JobDescription, words: str) -> None:
    description().join(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match=rf"is of another job: .*{words}"):
        other.join(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    description().join(tmp_path)
    monkeypatch.setattr("yolact_deploy.inference.shards.job.__version__", "99")
    with pytest.raises(OutputError, match=r"yolact-deploy .*, not 99"):
        description().join(tmp_path)


def test_folders_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        description().join(tmp_path / "file")
    with pytest.raises(OutputError, match="holds file and no job"):
        description().join(tmp_path)
    with pytest.raises(DataError, match="holds no job"):
        open_job(tmp_path)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"identity": 3}', "null", "[" * 100_000])
def test_damaged_descriptions(tmp_path: Path, damage: str) -> None:
    description().join(tmp_path)
    (tmp_path / "job.json").write_text(damage)
    for attempt in (lambda: open_job(tmp_path), lambda: description().join(tmp_path)):
        with pytest.raises(DataError, match="damaged"):
            attempt()


def test_a_damaged_list_of_pictures(tmp_path: Path) -> None:
    description().join(tmp_path)
    (listing,) = tmp_path.glob("pictures-*")
    listing.write_text("other.jpg")
    with pytest.raises(DataError, match="damaged"):
        open_job(tmp_path)


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: object, target: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    job = description().join(tmp_path)
    assert description().join(tmp_path) == job
