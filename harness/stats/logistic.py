"""Logistic regression with shares as outcomes and a weak normal prior, for many weightings of the same items at once.

Maximises Σ w_i [y_i log σ(η_i) + (1 − y_i) log(1 − σ(η_i))] − ½ Σ (b_j / sd)², η = x b; the prior is on every coefficient, so that
items that are all won still have an answer. Newton's method, damped as much as a loss with |f‴| ≤ M f″ needs to settle from
anywhere (Sun and Tran-Dinh, Mathematical Programming 178 (2019) 145): a step s is taken log(1 + M‖s‖)/(M‖s‖) of its length, M the
largest ‖x_i‖. Undamped it circles, even on harmless data.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, ndtri

from harness.stats.paired import Array

ROUNDS = 200
CLOSE = 1e-9
SHORT = 0.5
"""M‖s‖ under which whole steps settle by themselves."""


FURTHEST = 64.0
"""Log-odds beyond which a share is 0 or 1."""


def fit(x: Array, y: Array, weights: Array, prior_sd: float, start: Array | None = None, *, held: bool = False) -> Array:
    """``x``, shape (items, width), ``y`` shares from 0 to 1, ``weights``, shape (resamples, items) → coefficients, shape
    (resamples, width). ``start``: where to look first, shape (width,); at 0 unless given. ``held``: the first coefficient stays
    there."""
    width = x.shape[1]
    squares = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    coefficients = np.tile(np.zeros(width) if start is None else start, (len(weights), 1))
    penalty = np.eye(width) / prior_sd**2
    won, size = weights @ (x * y[:, None]), weights.sum(axis=1)[:, None] + 1
    longest = float(np.sqrt((x * x).sum(axis=1)).max())
    for _ in range(ROUNDS):
        chances = expit(coefficients @ x.T)
        chances_weighted = weights * chances
        gradient = won - chances_weighted @ x - coefficients @ penalty
        if held:
            gradient[:, 0] = 0.0
        if float(np.abs(gradient / size).max(initial=0.0)) < CLOSE:
            return coefficients
        curvature = ((chances_weighted * (1 - chances)) @ squares).reshape(-1, width, width) + penalty
        if held:
            curvature[:, 0, 1:] = curvature[:, 1:, 0] = 0.0
        step = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        reach = longest * np.sqrt((step * step).sum(axis=1, keepdims=True)) + 1e-300
        coefficients += step * np.where(reach < SHORT, 1.0, np.log1p(reach) / reach)
    raise RuntimeError(f"a logistic regression of {len(x)} items did not settle in {ROUNDS} steps")


def information(x: Array, seen: Array, prior_sd: float) -> float:
    """What is known of the first coefficient, the others being fitted, too: so many items at even odds are worth a quarter each."""
    chances = expit(x @ seen)
    whole = (x * (chances * (1 - chances))[:, None]).T @ x
    others = whole[1:, 1:] + np.eye(x.shape[1] - 1) / prior_sd**2
    return float(whole[0, 0] - whole[0, 1:] @ np.linalg.solve(others, whole[1:, 0]))


def profiled(x: Array, y: Array, seen: Array, prior_sd: float, level: float, share: float) -> tuple[float, float]:
    """Between which values of the first coefficient the likelihood, with the best others for each, has not fallen too far. It needs
    no second derivative, and knows that of items which are told apart perfectly the coefficient may lie far off. ``share``: of the
    items that are independent."""
    most = float(ndtri(0.5 + level / 2)) ** 2

    def loss(coefficients: Array) -> float:
        odds = x @ coefficients
        return float((np.logaddexp(0, odds) - y * odds).sum() + coefficients @ coefficients / (2 * prior_sd**2))

    def excess(first: float) -> float:
        best = fit(x, y, np.ones((1, len(y))), prior_sd, np.concatenate([[first], seen[1:]]), held=True)[0]
        return 2 * share * (loss(best) - least) - most

    least, start = loss(seen), float(seen[0])

    def end(sign: float) -> float:
        step = 0.5
        while excess(start + sign * step) < 0:
            step *= 2
            if step > FURTHEST:
                return sign * math.inf
        return float(brentq(excess, start, start + sign * step, xtol=1e-6))

    return end(-1.0), end(1.0)
