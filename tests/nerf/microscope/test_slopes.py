"""The gradient of one pixel: parts that add up, differences, and what the sentence makes of it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import calculus.by_jax
from nerf.microscope.samples import Samples
from nerf.microscope.sentence import say
from nerf.microscope.slopes import Judge, by_differences, by_hand, gap

WHITE, BLACK = np.ones(3), np.zeros(3)


def ray(sigma, colour, background=WHITE, delta=0.1) -> Samples:
    """Samples from their densities and colours (numbers are greys)."""
    sigma = np.asarray(sigma, float)
    colour = np.array([np.full(3, c) if np.isscalar(c) else c for c in colour], float)
    t = 1 + delta * (np.arange(len(sigma)) + 0.5)
    return Samples(t, np.full(len(sigma), delta), sigma, colour.reshape(-1, 3), background)


def held_against(photograph, **changes) -> Judge:
    given = None if photograph is None else np.broadcast_to(np.asarray(photograph, float), 3)
    return Judge(given, np.zeros(3), None)._replace(**changes)


def random_ray(seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    delta = rng.uniform(0.01, 0.1, 40)
    t = 1 + np.cumsum(delta)
    return Samples(t, delta, rng.exponential(3, 40), rng.uniform(size=(40, 3)), rng.uniform(size=3))


JUDGES = {
    "squared": held_against([0.1, 0.5, 0.9]),
    "huber": held_against([0.1, 0.5, 0.9], threshold=0.1),
    "gain": held_against([0.1, 0.5, 0.9], log_gain=np.array([0.3, -0.2, 0.1])),
    "brightness": held_against(None),
}


@pytest.mark.parametrize("judge", JUDGES.values(), ids=JUDGES)
def test_what_is_shown_and_what_is_hidden_add_up_to_the_gradient_of_jax(judge, float64):
    @jax.jit
    @partial(jax.value_and_grad, argnums=(2, 3))
    def loss_and_slopes(t, delta, sigma, colour, b):
        pixel = calculus.by_jax.volume_render(sigma, delta, colour, t, b)[0]
        shown = calculus.by_jax.expose(pixel, jnp.asarray(judge.log_gain))[None]
        if judge.photograph is None:
            return jnp.mean(shown)
        given = jnp.asarray(judge.photograph)[None], jnp.ones(1)
        if judge.threshold is not None:
            return calculus.by_jax.huber(shown, *given, judge.threshold)
        return calculus.by_jax.squared_error(shown, *given)

    for seed in (0, 1):
        samples = random_ray(seed)
        slopes = by_hand(samples, judge)
        loss, (by_sigma, by_colour) = loss_and_slopes(*samples)
        largest = np.abs(by_sigma).max()
        np.testing.assert_allclose(slopes.sigma, by_sigma, rtol=0, atol=1e-13 * largest)
        np.testing.assert_allclose(slopes.shows + slopes.hides, by_sigma, rtol=0, atol=1e-13)
        np.testing.assert_allclose(slopes.colour, by_colour, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(slopes.loss, loss, rtol=1e-13)
        # what is shown is the sample's own: as if nothing lay behind it, and no background
        own = samples.delta * (slopes.transmittance - slopes.weights)
        np.testing.assert_allclose(
            slopes.shows, own * (samples.colour @ slopes.pixel_bar), rtol=1e-12, atol=1e-15
        )


@pytest.mark.parametrize("judge", JUDGES.values(), ids=JUDGES)
def test_differences_agree_and_would_not_if_the_rule_were_wrong(judge):
    samples = random_ray(2)
    slopes = by_hand(samples, judge)
    by_sigma, by_colour = by_differences(samples, judge)
    assert gap(slopes.sigma, by_sigma) < 1e-7 and gap(slopes.colour, by_colour) < 1e-7
    assert gap(slopes.shows, by_sigma) > 0.1  # without what is hidden


def test_a_ray_without_samples():
    samples = ray([], [])
    slopes = by_hand(samples, held_against(0.25))
    np.testing.assert_allclose(slopes.loss, 3 * 0.75**2)
    assert [len(v) for v in by_differences(samples, held_against(0.25))] == [0, 0]


RAYS = {
    # a dark wall that should not be there: the photograph shows the white behind it
    "wall": (ray([0, 9, 9, 9], [0, 0, 0, 0]), 1.0, "thinner", "hides light", "hides"),
    # fog in front of a dark wall, where the photograph shows the wall
    "fog": (
        ray([1, 1, 0, 400], [0.8, 0.8, 0.8, 0.1]),
        0.1,
        "thinner",
        "what it shows is too bright",
        "shows",
    ),
    # thin bright fog in front of a dark wall, where the photograph is bright
    "thin": (
        ray([1, 0, 400], [0.9, 0.9, 0.1]),
        0.9,
        "denser",
        "what lies behind it is too dark",
        "shows",
    ),
    # a thin dark film before a bright wall, where the photograph is dark
    "film": (
        ray([1, 0, 400], [0.1, 0.9, 0.9]),
        0.1,
        "denser",
        "what lies behind it is too bright",
        "hides",
    ),
    "seen through": (
        ray([2, 2], [0.2, 0.2]),
        0.2,
        "denser",
        "the background behind it is too bright",
        "hides",
    ),
    "red": (
        ray([2, 0, 400], [[0.9, 0.5, 0.5], 0.5, 0.5]),
        0.5,
        "thinner",
        "what it shows is too red",
        "shows",
    ),
    "not blue": (
        ray([1, 0, 400], [[0.5, 0.5, 0.9], 0.5, [0.5, 0.5, 0.1]]),
        [0.5, 0.5, 0.9],
        "denser",
        "what lies behind it is not blue enough",
        "shows",
    ),
    "another colour": (
        ray([1, 0, 400], [[0.1, 0.5, 0.9], 0.5, [0.9, 0.5, 0.1]]),
        [0.1, 0.5, 0.9],
        "denser",
        "what lies behind it is of the wrong colour",
        "shows",
    ),
}


@pytest.mark.parametrize("case", RAYS.values(), ids=RAYS)
def test_the_strongest_sample_is_told_apart(case):
    samples, photograph, wants, reason, because = case
    judge = held_against(photograph)
    slopes = by_hand(samples, judge)
    said = say(samples, slopes, judge, samples.t)
    k = said.strongest
    assert f"wants to be {wants}: " in said.sentence and reason in said.sentence, said
    assert f"t = {samples.t[k]:.3g}" in said.sentence and said.because == because
    # and it is as it says: a step that way lowers the loss
    step = 0.1 * samples.sigma.max() * np.eye(len(samples.t))[k] * (-1 if wants == "thinner" else 1)
    moved = samples._replace(sigma=np.maximum(samples.sigma + 0.01 * step, 0))
    assert by_hand(moved, judge).loss < slopes.loss


@pytest.mark.parametrize(
    ("samples", "photograph", "said"),
    [
        (ray([1, 400], [0.5, 0.5]), 0.5, "Nothing to mend"),
        (ray([], []), 1.0, "Nothing to mend"),
        (ray([], []), 0.0, "No sample lies on this ray: the background alone shows, and is too br"),
        (ray([], []), None, "No sample lies on this ray: it shows the background alone."),
        (ray([0, 0], [0.2, 0.2]), 0.2, "goes through to the background, which is too bright; the"),
        (ray([400, 400], [0.2, 0.2]), 0.7, "No density can mend the pixel: the colour of the sam"),
        (ray([0, 400, 400], [0.9, 0.5, 0.5]), 0.2, "No density can mend the pixel"),
        (ray([1, 400], [0.9, 0.2]), None, "would brighten the pixel most, by what it shows"),
        (ray([1, 400], [0.2, 0.9]), None, "would darken the pixel most, by what it hides"),
    ],
)
def test_what_else_can_be_said(samples, photograph, said):
    judge = held_against(photograph)
    sentence = say(samples, by_hand(samples, judge), judge, samples.t).sentence
    assert said in sentence and sentence.endswith(".") and sentence[0].isupper(), sentence
