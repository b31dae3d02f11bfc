"""What the card says of images is what the data module does, on files."""

import numpy as np
import pytest
import tifffile
import timm
import torch
from metaug.callbacks import export_backbone
from metaug.callbacks.artifacts.preprocessing import described, preprocessing_of
from metaug.datamodules import ColorSpaceViews, ImageFolderDataModule, LabelledDataModule
from metaug.datamodules.views.simclr_views import SimCLRViews
from PIL import Image, ImageOps

ORIENTATION = 0x0112


def pixels(height, width, channels, kind=np.uint8, top=255):
    """Waves with some noise, as photos are rather than noise alone."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = [np.sin(9 * x * (c + 1) + 7 * y) * 0.4 + 0.5 for c in range(channels)]
    values = np.stack(waves, axis=2) + rng.normal(0, 0.05, (height, width, channels))
    return (values.clip(0, 1) * top).astype(kind)


def photo(folder, height, width, **saving):
    Image.fromarray(pixels(height, width, 3)).save(folder / "photo.jpg", quality=90, **saving)
    Image.new("RGB", (5, 7)).save(folder / "second.jpg")  # sizes differ: files stay files


def tiff(folder, values):
    layout = {"planarconfig": "contig"} if values.shape[2] > 1 else {}
    for name, image in {"image": values, "second": values[:-1]}.items():
        image = image if layout else image[..., 0]
        tifffile.imwrite(folder / f"{name}.tif", image, photometric="minisblack", **layout)


def sideways():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return exif


def evaluation_image(data):
    return next(iter(data.evaluation_loader(data.splits.train))).image[0]


def by_the_card(folder, said, monkeypatch):
    prepared = described(said["image_channels"], said)
    scope = {}
    monkeypatch.chdir(folder)
    exec(prepared.lines(), scope)
    assert scope["images"].dtype == np.float32
    return prepared, torch.from_numpy(scope["images"])[0]


def assert_alike(image, expected, level):
    """Equal but for rare pixels that are resized to the next of 255 levels."""
    difference = (image - expected).abs()
    assert float(difference.max()) <= level + 1e-5
    assert float((difference > 1e-5).float().mean()) < 0.05


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(67, 100, 64), (100, 75, 32), (97, 131, 48), (48, 48, 48), (20, 31, 32)],
)
def test_timms_transform_of_a_jpeg_is_the_evaluation_transform(
    tmp_path, monkeypatch, height, width, size, channels
):
    photo(tmp_path, height, width, exif=sideways())
    data = ImageFolderDataModule(
        str(tmp_path), image_size=size, image_channels=channels, num_workers=0
    )
    expected = evaluation_image(data)
    said = preprocessing_of(data)
    prepared, image = by_the_card(tmp_path, said, monkeypatch)
    level = 1 / 255 / min(said["std"])
    assert_alike(image, expected, level)
    assert prepared.in_timm
    backbone = timm.create_model("test_resnet", num_classes=0, in_chans=channels)
    export_backbone(backbone, tmp_path / "export", preprocessing=said)
    model = timm.create_model(f"local-dir:{tmp_path}/export", pretrained=True)
    config = timm.data.resolve_data_config(model=model)
    assert list(config["input_size"]) == [channels, size, size]
    transform = timm.data.create_transform(**config, is_training=False)
    opened = ImageOps.exif_transpose(Image.open("photo.jpg")).convert(prepared.mode)
    torch.testing.assert_close(transform(opened), image, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("space", ["lab", "ycbcr"])
def test_color_spaces_take_the_lines_of_the_card(tmp_path, monkeypatch, space):
    photo(tmp_path, 48, 64)
    data = ImageFolderDataModule(
        str(tmp_path), image_size=48, num_workers=0, views=ColorSpaceViews(space)
    )
    prepared, image = by_the_card(tmp_path, preprocessing_of(data), monkeypatch)
    assert not prepared.in_timm
    torch.testing.assert_close(image, evaluation_image(data), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("values", "value_range"),
    [
        (pixels(40, 30, 5), None),
        (pixels(40, 30, 5, np.uint16, 65535), None),
        (pixels(40, 30, 5, np.uint16, 4095), (0, 4095)),
        (pixels(40, 30, 2, np.float32, 1), None),
        (pixels(40, 30, 1, np.uint16, 65535), None),
    ],
    ids=["uint8", "uint16", "value range", "float", "gray"],
)
def test_files_of_any_channels_take_the_lines_of_the_card(
    tmp_path, monkeypatch, values, value_range
):
    tiff(tmp_path, values)
    channels = values.shape[2]
    data = ImageFolderDataModule(
        str(tmp_path), image_size=16, image_channels=channels, num_workers=0,
        value_range=value_range, mean=(0.4,) * channels, std=(0.2,) * channels,
    )  # fmt: skip
    prepared, image = by_the_card(tmp_path, preprocessing_of(data), monkeypatch)
    assert not prepared.in_timm
    torch.testing.assert_close(image, evaluation_image(data), rtol=1e-5, atol=1e-5)


def test_what_is_not_known_is_said(tmp_path):
    class Mirrored(SimCLRViews):
        def evaluate(self, images, size):
            return super().evaluate(images, size).flip(3)

    photo(tmp_path, 20, 20)
    data = ImageFolderDataModule(str(tmp_path), image_size=16, num_workers=0, views=Mirrored())
    for module in (data, LabelledDataModule(data)):
        said = preprocessing_of(module)
        assert "`Mirrored.evaluate` prepares images" in described(3, said).words()
    plain = preprocessing_of(ImageFolderDataModule(str(tmp_path), image_size=16, num_workers=0))
    assert "takes 1 of the 3 channels" in described(1, plain).words()
    assert "is not recorded" in described(3, preprocessing_of(None)).words()
    assert not described(3, None).in_timm
