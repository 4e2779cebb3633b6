"""What to change in images of a domain, and what must stay as it is."""

from __future__ import annotations

import copy
from typing import Any

from kerasopt import checks
from kerasopt.names import Names

__all__ = ["domains", "preset"]

Steps = list[dict[str, Any]]

_DOMAINS = Names("domain")


def preset(domain: str = "photos", *, preprocess: bool = True) -> Steps:
    """Return the augmentation and preprocessing that suit images of a domain.

    An augmentation must keep what an image shows. Which one does depends on the domain:

    =============  =======================================  ============================
    domain         training images                          all images
    =============  =======================================  ============================
    ``photos``     mirrored; a random part, resized;        each channel by mean and
                   brightness, contrast and saturation      deviation of the training
                                                            part
    ``digits``     rotated and slanted by up to 10°,        each image by its own mean
                   shifted and zoomed by a tenth; no        and deviation: pens and
                   flips, which make other signs            scanners differ
    ``medical``    rotated by up to 10°, shifted and        each image by its own mean
                   zoomed a little; brightness, contrast    and deviation: scanners and
                   and gamma; no flips, as a body has a     exposures differ
                   left and a right; no colours
    ``satellite``  flipped and turned by right angles, as   each channel by mean and
                   the ground has no up; shifted by a       deviation of the training
                   tenth; brightness and contrast, for      part: the levels of the
                   sun and haze; no saturation, which       bands tell water from
                   changes the ratios of the bands; no      forest
                   zoom, as the scale is known
    =============  =======================================  ============================

    All take images of any number of channels. For tissue and microscopy, which have no
    up either, ``satellite`` fits better than ``medical``.

    The result is what `kerasopt.fit` and recipes take as ``augment``, to be changed at
    will. In a recipe ``augment: {name: preset, domain: satellite}`` stands for it.

    Args:
        domain: ``"photos"``, ``"digits"``, ``"medical"`` or ``"satellite"``
            (`domains`).
        preprocess: Whether the last entry is the standardisation of the table's last
            column. It becomes the first layer of the model, so that validation, test
            and prediction get it, too. Switch it off for a model that is given built,
            or that has a preprocessing of its own, as pretrained ones have.

    Returns:
        A fresh list of mappings, each a name of `names` with its arguments.

    Raises:
        TypeError: if `preprocess` is no boolean, or `domain` no text.
        ValueError: if there is no such domain.

    Example:
        >>> for step in preset("satellite"):
        ...     print(step)
        {'name': 'dihedral'}
        {'name': 'affine', 'width_shift_range': 0.1, 'height_shift_range': 0.1, ...}
        {'name': 'color_jitter', 'brightness': 0.2, 'contrast': 0.2, 'saturation': 0.0}
        {'name': 'standardize', 'statistics': 'data'}

    References:
        - [Simard, Steinkraus and Platt, 2003](
          https://doi.org/10.1109/ICDAR.2003.1227801): digits.
        - [Szegedy et al., 2015](https://arxiv.org/abs/1409.4842): photos.
        - [Isensee et al., 2021](https://doi.org/10.1038/s41592-020-01008-z): medical
          images, their intensities standardised one by one.
    """
    checks.boolean("preprocess", preprocess)
    steps, statistics = _DOMAINS.factory(_DOMAINS.canonical(domain))()
    last = {"name": "standardize", "statistics": statistics}
    return [*copy.deepcopy(steps), *([last] if preprocess else [])]


def domains() -> list[str]:
    """Return the domains that `preset` knows.

    Example:
        >>> domains()
        ['digits', 'medical', 'photos', 'satellite']
    """
    return sorted(_DOMAINS)


@_DOMAINS.register("photos", aliases=("photo", "photographs"))
def _photos() -> tuple[Steps, str]:
    return [
        {"name": "random_resized_crop", "scale": [0.35, 1.0]},
        {"name": "crop", "padding": 0, "flip": "random"},
        {"name": "color_jitter", "brightness": 0.3, "contrast": 0.3, "saturation": 0.3},
    ], "data"


@_DOMAINS.register("digits", aliases=("characters", "handwriting"))
def _digits() -> tuple[Steps, str]:
    moved = {"width_shift_range": 0.1, "height_shift_range": 0.1, "zoom_range": 0.1}
    return [
        {"name": "affine", "rotation_range": 10, "shear_range": 10, **moved}
    ], "image"


@_DOMAINS.register("medical", aliases=("radiology", "xray", "x_ray"))
def _medical() -> tuple[Steps, str]:
    moved = {"width_shift_range": 0.05, "height_shift_range": 0.05, "zoom_range": 0.1}
    # The standardisation takes linear changes off again, where nothing was cut off;
    # gamma stays.
    return [
        {"name": "affine", "rotation_range": 10, **moved},
        {
            "name": "color_jitter",
            "brightness": 0.2,
            "contrast": 0.2,
            "saturation": 0.0,
            "gamma": 0.3,
        },
    ], "image"


@_DOMAINS.register("satellite", aliases=("aerial", "remote_sensing"))
def _satellite() -> tuple[Steps, str]:
    shifted = {"width_shift_range": 0.1, "height_shift_range": 0.1}
    return [
        {"name": "dihedral"},
        {"name": "affine", **shifted, "fill_mode": "reflect"},
        {"name": "color_jitter", "brightness": 0.2, "contrast": 0.2, "saturation": 0.0},
    ], "data"
