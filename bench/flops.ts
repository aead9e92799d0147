import type { Tf } from '../nets/engine.js'

/** What a kernel was given and made, by its shapes: [n,h,w,c] for maps, [kh,kw,in,out] for convolution kernels. */
type Shapes = [inputs: number[][], outputs: number[][]]

const size = (shape: number[]) => shape.reduce((product, side) => product * side, 1)
/** Every number of `map` meets every number of the kernel that belongs to its last axis, of `channels`. */
const products = (map: number[], kernel: number[], channels: number) => (2 * size(map) * size(kernel)) / channels

/** Multiplications and additions of a convolution and its two gradients; those of wasm are convolutions themselves. */
const COUNTS: Record<string, (...shapes: Shapes) => number> = {
  Conv2D: ([, kernel], [y]) => products(y!, kernel!, y![3]!),
  FusedConv2D: ([, kernel], [y]) => products(y!, kernel!, y![3]!),
  ConvBias: ([, kernel], [y]) => products(y!, kernel!, y![3]!),
  Conv2DBackpropInput: ([dy, kernel]) => products(dy!, kernel!, dy![3]!),
  Conv2DBackpropFilter: ([, dy], [kernel]) => products(dy!, kernel!, dy![3]!),
}

/** Runs `work` once and counts the operations of its convolutions, which are all but a few hundredths of a training step's. */
export async function convolutionFlops(tf: Tf, work: () => Promise<unknown>): Promise<number> {
  // Else the profiler reads every tensor.
  tf.env().set('CHECK_COMPUTATION_FOR_ERRORS', false)
  // tfjs waits for what is profiled, whatever its types say.
  const { kernels } = await tf.profile(work as never)
  return kernels.reduce(
    (sum, { name, inputShapes, outputShapes }) => sum + (COUNTS[name]?.(inputShapes as number[][], outputShapes) ?? 0),
    0,
  )
}
