"""The formulas once more, as loops that a reader checks by eye, in float64.

By hand and by JAX share their forward; these share nothing with either. Those with `exp` and `log`
for their only functions, or none, take numbers of any precision: arrays of `decimal.Decimal`.
"""

import itertools
import math
from decimal import Decimal

import numpy as np
from scipy.special import lpmv


def exp(v):
    return v.exp() if isinstance(v, Decimal) else math.exp(v)


def log(v):
    return v.ln() if isinstance(v, Decimal) else math.log(v)


def distort(pixel, intrinsics, distortion, fisheye):
    f_x, f_y, c_x, c_y = intrinsics
    x, y = (pixel[0] - c_x) / f_x, (pixel[1] - c_y) / f_y
    if fisheye:
        k = distortion[:4]
        r = math.hypot(x, y)
        theta = math.atan(r)
        seen = theta * (1 + sum(k[i] * theta ** (2 * i + 2) for i in range(4)))
        x, y = x * seen / r, y * seen / r
    else:
        k1, k2, p1, p2, k3, k4, k5, k6 = distortion
        q = x * x + y * y
        radial = (1 + k1 * q + k2 * q**2 + k3 * q**3) / (1 + k4 * q + k5 * q**2 + k6 * q**3)
        x, y = (
            x * radial + 2 * p1 * x * y + p2 * (q + 2 * x * x),
            y * radial + p1 * (q + 2 * y * y) + 2 * p2 * x * y,
        )
    return np.array([f_x * x + c_x, f_y * y + c_y])


def undistort(pixel, intrinsics, distortion, fisheye):
    """The pixel that is distorted to this one, moved by half of what it is off till it fits."""
    guess = np.array(pixel)
    for _ in range(500):
        guess = guess + (pixel - distort(guess, intrinsics, distortion, fisheye)) / 2
    return guess


def rays(pixel, intrinsics, pose):
    f_x, f_y, c_x, c_y = intrinsics
    in_camera = [(pixel[0] - c_x) / f_x, -(pixel[1] - c_y) / f_y, -1.0]
    v = [sum(pose[a][b] * in_camera[b] for b in range(3)) for a in range(3)]
    length = math.sqrt(sum(x * x for x in v))
    return np.array([pose[a][3] for a in range(3)]), np.array(v) / length


def points(origin, direction, t):
    return np.array([[origin[a] + s * direction[a] for a in range(3)] for s in t])


def contract(x):
    r = math.sqrt(sum(c * c for c in x))
    return np.array([c if r <= 1 else (2 - 1 / r) * c / r for c in x])


def ndc(origin, direction, near, slope):
    """Two points of the ray by the projection itself, and the line through them."""

    def projected(t):
        x, y, z = (origin[a] + t * direction[a] for a in range(3))
        return np.array([-x / (slope[0] * z), -y / (slope[1] * z), 1 + 2 * near / z])

    t_near = -(near + origin[2]) / direction[2]
    start = projected(t_near)
    t = t_near + 1
    s = 1 + near / (origin[2] + t * direction[2])
    return start, (projected(t) - start) / s


def ndc_point(x, near, slope):
    """Through the pinhole: where on the plane z = -1, in parts of what is seen; and 1 + 2n/z."""
    across = [x[k] / -x[2] / slope[k] for k in range(2)]
    return np.array([*across, 1 + 2 * near / x[2]])


def normal(slope):
    length = math.hypot(*slope)
    return np.array([-c / length if length else c * 0 for c in slope])


def encode(p, frequencies):
    out = []
    for coordinate in p:
        for k in range(frequencies):
            out += [math.sin(2**k * math.pi * coordinate), math.cos(2**k * math.pi * coordinate)]
    return np.array(out)


def spherical_harmonics(direction, degree):
    """By the angles, with the associated Legendre functions; r^l off the unit sphere."""
    x, y, z = direction
    r = math.sqrt(x * x + y * y + z * z)
    theta, phi = math.acos(z / r), math.atan2(y, x)
    out = []
    for l in range(degree):
        for m in range(-l, l + 1):
            n = abs(m)
            square = (2 * l + 1) / (4 * math.pi) * math.factorial(l - n) / math.factorial(l + n)
            along = math.sqrt(square) * (-1) ** n * lpmv(n, l, math.cos(theta))  # no phase
            if m != 0:
                along *= math.sqrt(2) * (math.cos(m * phi) if m > 0 else math.sin(n * phi))
            out.append(r**l * along)
    return np.array(out)


def interpolate(grid, x):
    n = len(grid)
    total = 0
    s = [min(max((c + 1) / 2 * (n - 1), 0), n - 1) for c in x]
    for v in itertools.product(range(n), repeat=3):
        share = math.prod(max(0, 1 - abs(s[a] - v[a])) for a in range(3))  # a hat on each vertex
        total += share * np.asarray(grid[v[0]][v[1]][v[2]])
    return total


def hash_encode(tables, x, vertices):
    out = []
    for table, n in zip(tables, vertices, strict=True):
        starts = len(table) - n
        total = 0
        s = [min(max((c + 1) / 2 * (n - 1), 0), n - 1) for c in x]
        for v in itertools.product(range(n), repeat=3):
            share = math.prod(max(0, 1 - abs(s[a] - v[a])) for a in range(3))
            if len(table) == n**3:
                row = v[0] + n * v[1] + n * n * v[2]
            else:
                row = v[0] + ((v[1] * 2654435761 % 2**32) ^ (v[2] * 805459861 % 2**32)) % starts
            total += share * np.asarray(table[row])
        out.extend(total)
    return np.array(out)


def affine(x, W, b):
    return np.array([sum(x[i] * W[i][j] for i in range(len(x))) + b[j] for j in range(len(b))])


def mlp(layers, x, skip):
    h = list(x)
    for number, (W, b) in enumerate(layers, start=1):
        if number == skip:
            h = h + list(x)
        z = affine(h, W, b)
        h = [max(value, 0) for value in z]
    return z


def softplus(z):
    return np.array([log(1 + exp(v)) for v in z])


def bounded_exp(z):
    m = 15
    return np.array([exp(v) if v <= m else exp(m) * (1 + v - m) for v in z])


def sigmoid(z):
    return np.array([1 / (1 + exp(-v)) for v in z])


def relu(z):
    return np.array([max(v, 0) for v in z])


def expose(colours, log_gain):
    return np.array([c * exp(g) for c, g in zip(colours, log_gain, strict=True)])


def optical_depth(sigma, delta):
    return np.array([s * d for s, d in zip(sigma, delta, strict=True)])


def weights(tau):
    left, out = 1, []
    for depth in tau:
        alpha = 1 - exp(-depth)
        out.append(left * alpha)
        left *= 1 - alpha
    return np.array(out), left


def accumulate(w, T, colours, t, background):
    colour = [T * background[a] for a in range(3)]
    opacity = depth = 0
    for i in range(len(w)):
        colour = [colour[a] + w[i] * colours[i][a] for a in range(3)]
        opacity += w[i]
        depth += w[i] * t[i]
    return np.array(colour), opacity, depth


def volume_render(sigma, delta, colours, t, background):
    w, T = weights(optical_depth(sigma, delta))
    return accumulate(w, T, colours, t, background)


def weights_packed(tau, stream):
    w, left = [0 * depth for depth in tau], []
    for a, b in itertools.pairwise(stream.first.tolist()):
        w[a:b], T = weights(tau[a:b])
        left.append(T)
    return np.array(w), np.array(left)


def volume_render_packed(sigma, delta, colours, t, background, stream):
    pixels = []
    for ray, (a, b) in enumerate(itertools.pairwise(stream.first.tolist())):
        pixels.append(volume_render(sigma[a:b], delta[a:b], colours[a:b], t[a:b], background[ray]))
    return tuple(np.array(part) for part in zip(*pixels, strict=True))


def squared_error(colours, photograph, share):
    return sum(
        m * sum((c - y) ** 2 for c, y in zip(row, truth, strict=True))
        for row, truth, m in zip(colours, photograph, share, strict=True)
    )


def huber(colours, photograph, share, threshold):
    total = 0.0
    for row, truth, m in zip(colours, photograph, share, strict=True):
        for c, y in zip(row, truth, strict=True):
            e = abs(c - y)
            total += m * (e * e / 2 if e <= threshold else threshold * (e - threshold / 2))
    return total


def coarse_and_fine(coarse, fine, photograph, share):
    return squared_error(coarse, photograph, share) + squared_error(fine, photograph, share)


def psnr(mean_squared_error):
    return np.array([-10 * math.log10(q) for q in mean_squared_error])


def spread(w, m, h):
    n = len(w)
    pairs = sum(w[i] * w[j] * abs(m[i] - m[j]) for i in range(n) for j in range(n))
    return pairs + sum(w[i] * w[i] * h[i] for i in range(n)) / 3


def spread_packed(w, m, h, stream):
    of_rays = itertools.pairwise(stream.first.tolist())
    return np.array([spread(w[a:b], m[a:b], h[a:b]) for a, b in of_rays], dtype=float)
