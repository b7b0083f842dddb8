"""Data folders: what is read, and how each defect is said."""

from __future__ import annotations

import copy
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coding

from tests.benchmarks.conftest import HEIGHT, WIDTH, Content, MakeFolder, tiny_content
from yolact_deploy.benchmarks.accuracy import dataset as dataset_module
from yolact_deploy.benchmarks.accuracy.dataset import bundled_nano, load_dataset
from yolact_deploy.benchmarks.accuracy.instances import Instances, parse_instances
from yolact_deploy.benchmarks.accuracy.segmentation import MAX_POLYGON_LENGTH
from yolact_deploy.errors import DataError


def test_images_and_categories_are_ordered_by_id(make_folder: MakeFolder) -> None:
    dataset = load_dataset(make_folder())
    assert [image.id for image in dataset.images] == [10, 20, 30]
    assert [(item.id, item.name) for item in dataset.categories] == [(3, "dog"), (7, "cat")]
    assert dataset.describe() == "data: 3 images, 2 categories, 3 objects"
    assert dataset.images[0].read().shape == (HEIGHT, WIDTH, 3)


def test_annotation_ids_start_at_1(make_folder: MakeFolder) -> None:
    """pycocotools takes id 0 for "not matched"."""
    assert [item["id"] for item in load_dataset(make_folder()).annotations] == [1, 2, 3]


@pytest.mark.parametrize("where", ["", "images", "val/2017"])
def test_images_are_found_beside_the_json_in_images_or_where_file_name_says(
    make_folder: MakeFolder, where: str
) -> None:
    content = tiny_content()
    if where == "val/2017":
        for entry in content["images"]:
            entry["file_name"] = f"val/2017/{entry['file_name']}"
    folder = make_folder(content, images=where)
    assert load_dataset(folder).images[0].path == folder / where / "a.png"


def test_limit_takes_the_first_by_id_and_their_annotations(make_folder: MakeFolder) -> None:
    dataset = load_dataset(make_folder(), limit=1)
    assert [image.id for image in dataset.images] == [10]
    assert [item["image_id"] for item in dataset.annotations] == [10, 10]
    assert dataset.describe() == "data: 1 of 3 images (the first by id), 2 categories, 2 objects"
    assert len(load_dataset(make_folder(), limit=99).images) == 3


def test_a_seed_chooses_by_chance_and_repeats_itself() -> None:
    folder = bundled_nano().folder

    def ids(seed: int | None) -> list[int]:
        return [image.id for image in load_dataset(folder, limit=8, seed=seed).images]

    assert ids(3) == ids(3)
    assert ids(3) == sorted(ids(3))
    assert len({tuple(ids(seed)) for seed in (None, 1, 2, 3)}) == 4


def test_the_bundled_set_is_complete() -> None:
    nano = bundled_nano()
    dataset = load_dataset(nano.folder)
    assert nano.weights.is_file()
    assert len(dataset.images) == 64
    assert len(dataset.annotations) == 295
    assert sum(item["iscrowd"] for item in dataset.annotations) == 2
    with_objects = {item["image_id"] for item in dataset.annotations}
    assert sum(image.id not in with_objects for image in dataset.images) == 3
    for image in dataset.images:
        image.read()


def changed(path: str, value: Any) -> Content:
    """The tiny content with the entry at `path` ("annotations.0.bbox") replaced, or removed when value is ..."""
    content = copy.deepcopy(tiny_content())
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
    target: Any = content
    for part in parents:
        target = target[part]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return content


WRONG_CONTENT = [
    ([], "expected a JSON object at the top, found an empty list"),
    (changed("images", ...), "expected a list 'images', found nothing: is it in COCO instances format?"),
    (changed("annotations", {}), "expected a list 'annotations', found an object"),
    (changed("images", []), "'images' is empty"),
    (changed("categories", []), "'categories' is empty"),
    (changed("images.1", 5), "images[1] is 5, expected an object"),
    (changed("images.1.id", "10"), "images[1] has id '10', expected a whole number"),
    (changed("images.1.id", 30), "'images' has two entries with id 30"),
    (changed("images.1.file_name", ...), "images[1] has file_name null, expected a text"),
    (changed("images.1.height", 0), "images[1] is 80x0 px"),
    (changed("images.1.width", True), "images[1] has width True, expected a whole number"),
    (changed("categories.1.id", 7), "'categories' has two entries with id 7"),
    (changed("annotations.0.image_id", 11), "annotations[0] has image_id 11, which no image has"),
    (changed("annotations.0.category_id", 4), "annotations[0] has category_id 4, which no category has"),
    (changed("annotations.0.bbox", [1, 2, 3]), "annotations[0] has bbox [1, 2, 3], expected four numbers"),
    (changed("annotations.0.bbox", [1, 2, 3, "4"]), "expected four numbers: x, y, width, height"),
    (changed("annotations.0.area", None), "annotations[0] has area null, expected a number"),
    (changed("annotations.0.iscrowd", 2), "annotations[0] has iscrowd 2, expected 0 or 1"),
    (changed("annotations.0", None), "annotations[0] is null, expected an object"),
    (changed("annotations.0.bbox", [1, 10**400, 2, 3]), "annotations[0] has bbox a list of 4 values, expected four"),
    (changed("annotations.0.bbox", [1, 2, -3, 3]), "annotations[0] has bbox [1, 2, -3, 3], expected four numbers"),
    (changed("annotations.0.bbox", [1, 2**32, 2, 3]), "annotations[0] has bbox"),
    (changed("annotations.0.area", 10**400), "annotations[0] has area a number of many digits"),
    (changed("annotations.0.area", -1), "annotations[0] has area -1"),
    (changed("annotations.0.image_id", 10**30), "annotations[0] has image_id a number of many digits"),
    (changed("annotations.0.segmentation", [[10, 10, 2**32, 10, 10, 60]]), "with a coordinate beyond 1048576 px"),
    (changed("annotations.0.segmentation", [[10, 10, -1e300, 10, 10, 60]]), "with a coordinate beyond 1048576 px"),
    (changed("annotations.0.segmentation", [[0, 0, 999999, 999999] * 2]), "more than 1048576 px around"),
    (changed("annotations.2.segmentation.counts", "o" * 100_000), "a number that is too large"),
    (changed("images.1.file_name", "\ud800.png"), "images[1] has file_name '\\ud800.png', expected a text without"),
    (changed("images.1.file_name", "a\0.png"), "images[1] has file_name 'a\\x00.png', expected a text"),
    (changed("images.1.height", 10**9), "images[1] is 80x1000000000 px"),
    (changed("categories.1.name", "\udfff"), "categories[1] has name '\\udfff'"),
    (changed("annotations.0.segmentation", ...), "annotations[0] has segmentation null"),
    (changed("annotations.0.segmentation", []), "annotations[0] has segmentation an empty list, expected polygons"),
    (changed("annotations.0.segmentation", [[1, 2, 3, 4]]), "three or more x, y pairs"),
    (changed("annotations.0.segmentation", [[1, 2, 3, 4, 5, 6, 7]]), "three or more x, y pairs"),
    (changed("annotations.1.segmentation.size", [80, 60]), "run lengths of size [80, 60], its image has height and"),
    (changed("annotations.1.segmentation.counts", [1, 2]), "run lengths for 3 pixels, its image has 4800"),
    (changed("annotations.1.segmentation.counts", [4801, -1]), "neither a text nor a list of whole numbers"),
    (changed("annotations.1.segmentation.counts", None), "neither a text nor a list of whole numbers"),
    (changed("annotations.2.segmentation.counts", "0\x1f"), "the character '\\x1f'"),
    (changed("annotations.2.segmentation.counts", "0P"), "end in the middle of a number"),
    (changed("annotations.2.segmentation.counts", "01"), "run lengths for 1 pixels, its image has 4800"),
]


@pytest.mark.parametrize(("content", "message"), WRONG_CONTENT, ids=[message[:40] for _, message in WRONG_CONTENT])
def test_wrong_structure_is_said_with_its_place(make_folder: MakeFolder, content: Any, message: str) -> None:
    folder = make_folder(content)
    with pytest.raises(DataError) as caught:
        load_dataset(folder)
    assert str(caught.value).startswith(f"{folder / 'instances.json'}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_that_are_not_finite_are_refused(make_folder: MakeFolder) -> None:
    folder = make_folder(json.dumps(changed("annotations.0.area", float("nan"))))
    with pytest.raises(DataError, match=r"annotations\[0\] has area nan, expected a number"):
        load_dataset(folder)


def test_malformed_json_is_said_with_line_and_column(make_folder: MakeFolder) -> None:
    folder = make_folder('{"images": [],\n "annotations": [}')
    with pytest.raises(DataError, match=r"is not valid JSON: Expecting value at line 2, column 18$"):
        load_dataset(folder)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_any_malformed_json_is_a_data_error(make_folder: MakeFolder, text: str) -> None:
    folder = make_folder("x")
    (folder / "instances.json").write_text(text)
    with pytest.raises(DataError, match=r"instances\.json"):
        load_dataset(folder)


def test_binary_json_is_a_data_error(make_folder: MakeFolder) -> None:
    folder = make_folder()
    (folder / "instances.json").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(DataError, match=r"cannot read .*instances\.json"):
        load_dataset(folder)


def test_missing_folders_and_files(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder()
    with pytest.raises(DataError, match=r"no such data folder: .*nowhere"):
        load_dataset(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"is not a folder: .*--annotations"):
        load_dataset(folder / "instances.json")
    with pytest.raises(DataError, match=r"has no annotations: put instances\.json there, in COCO format"):
        load_dataset(folder / "images")
    with pytest.raises(DataError, match="limit 0: at least one image"):
        load_dataset(folder, limit=0)
    (folder / "images/b.png").unlink()
    with pytest.raises(DataError, match=r"image 20 of the data set is missing: b\.png is in none of"):
        load_dataset(folder)
    assert len(load_dataset(folder, limit=1).images) == 1, "images that are not used need not be there"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(make_folder: MakeFolder) -> None:
    folder = make_folder()
    (folder / "instances.json").chmod(0)
    with pytest.raises(DataError, match=r"cannot read .*instances\.json"):
        load_dataset(folder)


def test_unreadable_images_and_wrong_sizes(make_folder: MakeFolder) -> None:
    folder = make_folder(size=(HEIGHT, WIDTH + 1))
    image = load_dataset(folder).images[0]
    with pytest.raises(DataError, match=r"image 10 of the data set: .*a\.png is 81x60 px, the annotations say 80x60"):
        image.read()
    image.path.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"image 10 of the data set: cannot read image .*a\.png"):
        image.read()


def test_all_faults_are_said_at_once_with_counts(make_folder: MakeFolder) -> None:
    content = tiny_content()
    content["annotations"] += [{**content["annotations"][0], "bbox": None} for _ in range(3)]
    content["annotations"][2]["area"] = "large"
    folder = make_folder(content)
    with pytest.raises(DataError) as caught:
        load_dataset(folder)
    for words in ("4 faults", "annotations[2] has area 'large'", "annotations[3] has bbox null", "and 2 more like it"):
        assert words in str(caught.value)
    assert "--skip-bad-annotations" in str(caught.value)
    assert len(str(caught.value)) < 600 + len(str(folder))


def test_many_kinds_of_faults_are_cut(make_folder: MakeFolder) -> None:
    content = tiny_content()
    fields = ("image_id", "category_id", "bbox", "area", "iscrowd", "segmentation")
    content["annotations"] = [{**content["annotations"][0], field: "?"} for field in fields]
    with pytest.raises(DataError, match=r"6 faults: .*; and 1 of other kinds: correct them"):
        load_dataset(make_folder(content))


def test_bad_annotations_can_be_left_out(make_folder: MakeFolder) -> None:
    content = changed("annotations.0.segmentation", [[10, 10, 2**32, 10, 10, 60]])
    content["annotations"].append(None)
    dataset = load_dataset(make_folder(content), skip_bad=True)
    assert len(dataset.annotations) == 2
    (note,) = dataset.notes
    assert note.startswith("annotations left out: 2 faults: annotations[0] has a polygon")


def test_bad_images_are_refused_whatever_is_skipped(make_folder: MakeFolder) -> None:
    content = changed("images.1.height", "x")
    content["annotations"][0]["bbox"] = None
    with pytest.raises(DataError, match=r"images\[1\] has height 'x'") as caught:
        load_dataset(make_folder(content), skip_bad=True)
    assert "--skip-bad-annotations" not in str(caught.value)


def test_malformed_categories_without_annotations_do_not_matter(make_folder: MakeFolder) -> None:
    content = tiny_content()
    content["categories"].append({"id": 99, "name": ""})
    assert [item.id for item in load_dataset(make_folder(content)).categories] == [3, 7]


def test_missing_images_are_counted(make_folder: MakeFolder) -> None:
    folder = make_folder()
    for name in ("a.png", "b.png"):
        (folder / "images" / name).unlink()
    with pytest.raises(DataError, match=r"image 10 of the data set is missing \(and 1 more images\)"):
        load_dataset(folder)
    content = changed("images.1.file_name", "x" * 5000)
    with pytest.raises(DataError, match="image 10 of the data set is missing"):
        load_dataset(make_folder(content))


def test_annotations_too_large_to_read(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_module, "MAX_FILE_BYTES", 100)
    with pytest.raises(DataError, match="is larger than"):
        load_dataset(make_folder())


def test_a_polygon_at_the_limit_takes_little_memory(make_folder: MakeFolder) -> None:
    """What is just accepted: pycocotools makes run lengths of it."""
    side = MAX_POLYGON_LENGTH // 4
    content = changed("annotations.0.segmentation", [[0, 0, side, 0, side, side, 0, side]])
    (item, *_) = load_dataset(make_folder(content)).annotations
    tracemalloc.start()
    assert coding.area(coding.merge(coding.frPyObjects(item["segmentation"], HEIGHT, WIDTH))) == HEIGHT * WIDTH
    assert tracemalloc.get_traced_memory()[1] < 500 << 20
    tracemalloc.stop()


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([10**400, -(2**63), "\ud800"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(["images", "categories", "annotations"]),
    st.sampled_from(["id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "file_name", "name"]),
    JSON_VALUES,
    st.booleans(),
)
def test_whatever_stands_in_an_entry_is_taken_or_refused(key: str, field: str, value: Any, skip_bad: bool) -> None:
    content = tiny_content()
    content[key][0][field] = value
    try:
        found = parse_instances(content, Path("instances.json"), skip_bad)
    except DataError as error:
        message = str(error)
    else:
        message = found.skipped
        encode_all(found)
    assert "\n" not in message
    message.encode("utf-8")


def encode_all(found: Instances) -> None:
    """As the evaluation does."""
    assert len(found.images) == 3
    for item in found.annotations:
        image = next(image for image in found.images if image.id == item["image_id"])
        shape = item["segmentation"]
        runs = shape if isinstance(shape, dict) else coding.merge(coding.frPyObjects(shape, image.height, image.width))
        if isinstance(runs["counts"], list):
            runs = coding.frPyObjects(runs, image.height, image.width)
        assert int(coding.area(runs)) >= 0


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_compressed_run_lengths_are_read_as_pycocotools_writes_them(height: int, width: int, seed: int) -> None:
    mask = np.random.default_rng(seed).integers(0, 2, (height, width), dtype=np.uint8)
    rle = coding.encode(np.asfortranarray(mask))
    content = tiny_content()
    content["images"][1].update(height=height, width=width)
    content["annotations"] = [
        {**content["annotations"][0], "segmentation": {"size": [height, width], "counts": rle["counts"].decode()}}
    ]
    parse_instances(content, Path("instances.json"))
