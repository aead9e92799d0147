import assert from 'node:assert/strict'
import type * as TF from '@tensorflow/tfjs'
import { exportGraph } from '../../export/export.js'
import type { Graph } from '../../export/graph.js'
import { serialize } from '../../export/onnx.js'
import { openSession } from '../../export/session.js'
import { largestDifference } from '../../export/verify.js'
import { useEngine } from '../../nets/engine.js'
import { random } from '../support/draw.js'

/** The slow, plain engine is the reference: its kernels share no code with ONNX Runtime's. */
export const tf = await useEngine('cpu')

/** Random numbers for every weight: what starts as 0 or 1 would hide a mistake. Positive, as variances must be. */
export function randomizeWeights(model: TF.LayersModel, seed = 1): void {
  const next = random(seed)
  for (const layer of model.layers) {
    const weights = layer.getWeights()
    // Around 1/√inputs, so that a deep chain neither dies nor explodes.
    const filled = weights.map(w => {
      const reach = w.rank === 4 ? 1 / Math.sqrt(w.size / w.shape[3]!) : 1
      const sign = () => (w.rank === 4 && next() < 0.5 ? -1 : 1)
      return tf.tensor(
        Float32Array.from({ length: w.size }, () => sign() * (0.3 + next()) * reach),
        w.shape,
      )
    })
    if (filled.length > 0) layer.setWeights(filled)
  }
}

/** Largest difference between tfjs and the graph in ONNX Runtime, on seeded numbers around 0. */
export async function difference(model: TF.LayersModel, sizes: [number, number][], graph: Graph = exportGraph(model)): Promise<number> {
  const session = await openSession(serialize(graph))
  let largest = 0
  for (const [height, width] of sizes) {
    const channels = model.inputs[0]!.shape[3]!
    const x = tf.randomUniform([2, height, width, channels], -1, 1, 'float32', height * 100 + width)
    const y = model.predict(x) as TF.Tensor4D
    const got = await session.run(await planes(x))
    const want = await planes(y)
    assert.deepEqual([...got.dims], want.dims)
    assert.ok(
      want.data.some(v => Math.abs(v) > 1e-3),
      'a network that answers nothing proves nothing',
    )
    largest = Math.max(largest, largestDifference(want.data, got.data))
  }
  await session.close()
  return largest
}

async function planes(x: TF.Tensor) {
  const nchw = tf.transpose(x, [0, 3, 1, 2])
  return { data: (await nchw.data()) as Float32Array, dims: nchw.shape }
}

/** A network of one input, made by applying layers. */
export function network(shape: (number | null)[], body: (x: TF.SymbolicTensor) => TF.SymbolicTensor, seed = 1): TF.LayersModel {
  const input = tf.input({ shape })
  const model = tf.model({ inputs: input, outputs: body(input) })
  randomizeWeights(model, seed)
  return model
}
