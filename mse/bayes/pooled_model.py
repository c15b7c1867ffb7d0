"""The model of `PooledLogLinear` in PyMC.

Its likelihood, with the prior of the sizes of strata, is one operation that evaluates the compiled density
of `mse.core.pooled` and its gradient. The other priors are PyMC's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mse.core.pooled import density
from mse.core.pooled_effects import Parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse.bayes.pooled_layout import Layout

__all__ = ["pymc_model"]


def pymc_model(layout: Layout) -> Any:
    """Build the model.

    Parameters
    ----------
    layout : Layout
        Table and settings as arrays.

    Returns
    -------
    pymc.Model
        With the variables ``level``, ``scales``, ``z`` and ``r`` of `mse.core.pooled_effects.Parameters`.
    """
    import pymc as pm

    prior, n_strata = layout.prior, len(layout.data.counts)
    with pm.Model(coords={"scale": layout.scale_names}) as model:
        level = pm.Normal("level", prior.level[0], prior.level[1], shape=1)
        scales = pm.HalfNormal("scales", prior.scales, dims="scale")
        z = pm.Normal("z", 0.0, 1.0, shape=int(prior.cuts[2] - prior.cuts[1]))
        # Its prior, that of the sizes of strata, is part of the operation.
        r = pm.Flat("r", shape=n_strata)
        pm.Potential("likelihood", _operation(layout)(level, scales, z, r)[0])
    return model


def _operation(layout: Layout) -> Any:
    """Make the density of a layout an operation of PyTensor."""
    import pytensor.tensor as pt
    from pytensor.graph.basic import Apply
    from pytensor.graph.op import Op

    class PooledDensity(Op):  # type: ignore[misc, unused-ignore]
        """Log density and its gradient, computed together."""

        def make_node(self, *inputs: Any) -> Any:
            tensors = [pt.as_tensor_variable(each) for each in inputs]
            return Apply(self, tensors, [pt.dscalar(), *(each.type() for each in tensors)])

        def perform(self, node: Any, inputs: Sequence[Any], output_storage: Any) -> None:  # noqa: ARG002
            point = Parameters(*(np.array(each, dtype=np.float64) for each in inputs))
            gradient = Parameters(*(np.zeros_like(each) for each in point))
            value = np.asarray(density(point, layout.data, gradient))
            for storage, result in zip(output_storage, (value, *gradient), strict=True):
                storage[0] = result

        def connection_pattern(self, node: Any) -> list[list[bool]]:
            return [[o == 0 for o in range(len(node.outputs))] for _ in node.inputs]

    def slopes(_: Any, __: Any, outputs: Sequence[Any], weights: Sequence[Any]) -> list[Any]:
        return [weights[0] * each for each in outputs[1:]]

    # PyTensor 2 asks for `L_op`; PyTensor 3 for `pullback`, and warns of the other.
    setattr(PooledDensity, "pullback" if hasattr(Op, "pullback") else "L_op", slopes)
    return PooledDensity()
