#!/usr/bin/env python3
"""Writes cues.onnx: a graph that estimates depth from monocular cues, without learned weights.

The graph has the inputs and outputs of Depth Anything models, so that the pipeline runs without downloading one. Input:
float32 NCHW RGB, normalised with ImageNet's mean and deviation, sides a multiple of 14. Output: [1, H, W], high is near. All
numbers below were tuned by hand on pictures. The graph does not recognise objects; a trained model is better on any real video.

The cues, computed on cells of 7 x 7 pixels:
  ground    lower in the picture is nearer (a camera above a ground plane)
  standing  a smooth region of one colour is one upright object, as near as its foot; a textured region is ground and keeps
            the ground's slope
  air       distance makes colours cool, so warm colours are nearer
  sky       bright, cool and smooth is far
  sharpness fine detail is nearer than no detail
A guided filter on luma and warmth then upsamples the cells to pixels along the picture's edges.

    make_cues.py           write cues.onnx beside this script
    make_cues.py --check   exit 1 if cues.onnx differs from this script's output
"""
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
MEAN = np.array([0.485, 0.456, 0.406])
DEVIATION = np.array([0.229, 0.224, 0.225])
CELL = 7
# An upright object can extend 2 ** REACH cells above its foot and to the sides.
REACH = 6
# A colour change from cell to cell up to this much counts as shading and costs nothing.
SHADING = 0.008
# Cost of a full change of luma, of warmth, and of red against green, from cell to cell.
JUMP_COSTS = [0.2, 1.4, 1.4]

# Luma, warmth (yellow against blue) and red against green, from RGB in 0..1.
OPPONENTS = np.array([[0.299, 0.587, 0.114], [0.5, 0.5, -1.0], [1.0, -1.0, 0.0]])


class Graph:
    """Collects nodes and constants; each method returns the name of its result."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, value, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype=dtype), name))
        return name

    def __call__(self, op, *inputs, **attributes):
        name = f"n{len(self.nodes)}"
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self.nodes.append(helper.make_node(op, names, [name], name=name, **attributes))
        return name

    def add(self, *terms):
        total = terms[0]
        for term in terms[1:]:
            total = self("Add", total, term)
        return total

    def box(self, x, radius):
        side = 2 * radius + 1
        return self("AveragePool", x, kernel_shape=[side, side], strides=[1, 1], pads=[radius] * 4)

    def cells(self, x):
        return self("AveragePool", x, kernel_shape=[CELL, CELL], strides=[CELL, CELL])

    def step(self, x, at, slope):
        """A soft step: 0 below `at`, 1 above, with a transition of about 1 / slope."""
        return self("Sigmoid", self("Mul", self("Sub", x, at), slope))

    def slice(self, x, axis, start, end):
        bounds = [self.constant([v], np.int64) for v in (start, end, axis)]
        return self("Slice", x, *bounds)

    def neighbour(self, x, axis, cells, beyond):
        """Each cell's neighbour `cells` further along `axis` (backwards if negative); `beyond` outside the picture."""
        pads = [0] * 8
        pads[axis + 4 if cells > 0 else axis] = abs(cells)
        padded = self("Pad", x, self.constant(pads, np.int64), self.constant(beyond), mode="constant")
        return self.slice(padded, axis, *((cells, 2**31 - 1) if cells > 0 else (0, cells)))

    def spread(self, x, colour, rough, axis, direction):
        """For each cell, the maximum over the cells on one side, each reduced by the cost of the path to it."""
        jump = self("Abs", self("Sub", colour, self.neighbour(colour, axis, direction, 0.0)))
        jump = self("Relu", self("Sub", jump, SHADING))
        cost = self("Add", self("Conv", jump, np.array(JUMP_COSTS).reshape(1, 3, 1, 1)), rough)
        for doubling in range(REACH):
            cells = direction * 2**doubling
            x = self("Max", x, self("Sub", self.neighbour(x, axis, cells, -1e3), cost))
            if doubling + 1 < REACH:
                cost = self("Add", cost, self.neighbour(cost, axis, cells, 0.0))
        return x


def build():
    g = Graph()
    # Average to cells first, then convert to opponent colours; the order makes no difference to the result. At full
    # resolution only the two guides of the final filter are needed. Computing them as matrix products over all pixels
    # as one row is three times as fast as a convolution with a 1 x 1 kernel.
    weight, offset = OPPONENTS * DEVIATION, OPPONENTS @ MEAN
    cell_colour = g("Conv", g.cells("image"), weight.reshape(3, 3, 1, 1), offset)
    cell_luma = g.slice(cell_colour, 1, 0, 1)
    warmth = g.slice(cell_colour, 1, 1, 2)
    pixels = g("Reshape", "image", g.constant([0, 3, -1], np.int64))
    shape = g("Concat", g.constant([1, 1], np.int64), g("Shape", "image", start=2), axis=0)
    luma, pixel_warmth = (
        g("Reshape", g("Add", g("MatMul", weight[row].reshape(1, 3), pixels), offset[row]), shape) for row in (0, 1)
    )

    detail = g.box(g.cells(g("Abs", g("Sub", luma, g.box(luma, 1)))), 1)
    sharpness = g("Div", detail, g("Add", detail, 0.02))
    smoothness = g("Sub", 1.0, sharpness)

    # 0 at the top of the picture, 1 at the bottom.
    row = g("CumSum", g("Add", g("Mul", cell_luma, 0.0), 1.0), g.constant(2, np.int64))
    slope = g("Reciprocal", g("ReduceMax", row, axes=[2, 3], keepdims=1))
    ground = g("Mul", row, slope)

    cool = g.step(g.box(warmth, 1), -0.12, -20.0)
    sky = g("Mul", g("Mul", g.step(cell_luma, 0.62, 14.0), g.step(smoothness, 0.7, 16.0)), cool)

    # One cell further costs a share of the ground's slope (nearly all of it in textured regions), and more across a
    # change of colour.
    soft = g.box(cell_colour, 1)
    textured = g.step(g.box(sharpness, 1), 0.42, 16.0)
    rough = g("Mul", slope, g("Add", g("Mul", textured, 0.9), 0.05))
    standing = g.spread(ground, soft, rough, 2, 1)
    for direction in (-1, 1):
        standing = g.spread(standing, soft, rough, 3, direction)
    standing = g.spread(standing, soft, rough, 2, 1)

    near = g.add(
        g("Mul", ground, 0.15),
        g("Mul", standing, 0.85),
        g("Mul", g.box(warmth, 2), 0.04),
        g("Mul", g.box(sharpness, 2), 0.04),
        g("Mul", cool, -0.08),
        g("Mul", sky, -0.45),
    )

    # Guided filter with two guides (luma, warmth): solve for the slope of `near` over each guide in a window, smooth,
    # apply per pixel.
    radius, calm = 2, 2e-3
    guides = g.slice(cell_colour, 1, 0, 2)
    mean_guides, mean_near = g.box(guides, radius), g.box(near, radius)
    cross = g("Sub", g.box(g("Mul", guides, near), radius), g("Mul", mean_guides, mean_near))
    spread = g("Sub", g.box(g("Mul", guides, guides), radius), g("Mul", mean_guides, mean_guides))
    spread = g("Add", spread, calm)
    pair = g("Sub", g.box(g("Mul", cell_luma, warmth), radius),
             g("Mul", g.slice(mean_guides, 1, 0, 1), g.slice(mean_guides, 1, 1, 2)))
    s0, s1 = g.slice(spread, 1, 0, 1), g.slice(spread, 1, 1, 2)
    x0, x1 = g.slice(cross, 1, 0, 1), g.slice(cross, 1, 1, 2)
    determinant = g("Sub", g("Mul", s0, s1), g("Mul", pair, pair))
    a0 = g("Div", g("Sub", g("Mul", x0, s1), g("Mul", x1, pair)), determinant)
    a1 = g("Div", g("Sub", g("Mul", x1, s0), g("Mul", x0, pair)), determinant)
    slopes = g("Concat", a0, a1, axis=1)
    offset = g("Sub", mean_near, g("ReduceSum", g("Mul", slopes, mean_guides), g.constant([1], np.int64), keepdims=1))
    plane = g.box(g("Concat", slopes, offset, axis=1), 1)
    scales = g.constant([1, 1, CELL, CELL])
    a, b, c = (
        g("Resize", g.slice(plane, 1, i, i + 1), "", scales, mode="linear", coordinate_transformation_mode="half_pixel")
        for i in range(3)
    )
    depth = g.add(g("Mul", a, luma), g("Mul", b, pixel_warmth), c)
    g.nodes.append(helper.make_node("Squeeze", [depth, g.constant([1], np.int64)], ["depth"], name="depth"))

    graph = helper.make_graph(
        g.nodes,
        "monocular-cues",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", "width"])],
        [helper.make_tensor_value_info("depth", TensorProto.FLOAT, [1, "height", "width"])],
        g.constants,
        doc_string="Depth from hand-set monocular cues; no learned weights. Made by make_cues.py.",
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="stereospot-cues"
    )
    model.producer_version = ""
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def main():
    path = pathlib.Path(__file__).with_name("cues.onnx")
    made = build()
    if "--check" in sys.argv[1:]:
        if not path.exists() or path.read_bytes() != made:
            sys.exit(f"{path.name} is out of date: run {pathlib.Path(__file__).name} and commit the result")
        return
    path.write_bytes(made)
    print(f"{path.name}: {len(made)} bytes")


if __name__ == "__main__":
    main()
