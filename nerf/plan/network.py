r"""What a network and an encoding keep for a sample, by their rules in calculus.radiance.

A network (calculus/radiance/dense.py), layers l = 1..K that are given n_l numbers and give m_l:

    in one block      its way back is given all that the layers were given:   sum_l n_l        (1)
    in more blocks    its way back is given the inputs alone:                 n_1              (2)
                      and makes the rest again, a block at a time:            sum_l n_l        (3)
    on the way there: what a layer is given, and what it gives                n_l + m_l        (4)
                      in one block, of a layer that is given the inputs once
                      more, that and what is joined to them                   n_l + m_l + m_{l-1}
    on the way back:  a cotangent; in one block that which it becomes, too    max m_l, 2 max m_l (5)

The encoding by tables (calculus/radiance/grid.py), L of them with F features:

    kept              the point, and the tables, which are somebody else's    3                (6)
    on the way there  the compiler finds the cells of all levels before it
                      looks the first one up: three whole numbers and three
                      places within the cell for each                         6 L              (7)
    on the way back   of a block's points, for each table, four pairs of
                      rows of F numbers and where they begin: the compiler
                      makes those of all tables before it adds the first      L (8 F + 4)      (8)

All are numbers for a sample, of four bytes.
"""

from calculus.radiance import dense, grid
from nerf.config import FieldConfig
from nerf.plan.sizes import Layers, block, on_cpu


def layers_given(layers: Layers) -> int:
    """(1), (3): numbers that all layers together are given."""
    return sum(given for given, _ in layers)


def kept(layers: Layers, samples: int) -> int:
    """(1) or (2)."""
    return layers_given(layers) if in_one_block(samples) else layers[0][0]


def there(layers: Layers, samples: int) -> int:
    """(4), where it is most; of more blocks their own inputs are among it once more."""
    inputs = layers[0][0]
    most, before = 0, 0
    for given, gives in layers:
        joined = before if in_one_block(samples) and given > before > 0 else 0
        most = max(most, given + gives + joined)
        before = gives
    again = not in_one_block(samples) and most > inputs + layers[0][1]
    return most + (inputs if again else 0)


def back(layers: Layers) -> int:
    """(5), of one block; of more it is half of that."""
    return 2 * max(gives for _, gives in layers[:-1])


def in_one_block(samples: int) -> bool:
    """Whether a network takes so many samples at once."""
    return samples <= _most()


def network_block(samples: int) -> int:
    """Samples of a block of a network."""
    return block(samples, _most())


def table_block(samples: int) -> int:
    """Samples whose cotangents are added to the tables at once."""
    return block(samples, grid.BLOCK if on_cpu() else grid.BLOCK_ELSEWHERE)


def cells(field: FieldConfig) -> int:
    """(7); of sines and cosines, each once before they are joined."""
    if field.encoding == "hash":
        return 6 * field.levels
    return 6 * field.position_frequencies


def added(field: FieldConfig) -> int:
    """(8)."""
    return field.levels * (8 * field.level_features + 4) if field.encoding == "hash" else 0


def _most() -> int:
    return dense.BLOCK if on_cpu() else dense.BLOCK_ELSEWHERE
