import assert from 'node:assert/strict'
import type * as TF from '@tensorflow/tfjs'
import { exportGraph } from '../../export/export.js'
import type { Graph } from '../../export/graph.js'
import { serialize } from '../../export/onnx.js'
import { largestDifference } from '../../export/verify.js'
import { useEngine } from '../../nets/engine.js'
import { openSession } from '../../probe/session.js'
import { random } from '../support/draw.js'

/** The slow, plain engine is the reference: its kernels share no code with ONNX Runtime's. */
export const tf = await useEngine('cpu')

/** Random numbers for every weight: what starts as 0 or 1 would hide a mistake. Vectors are positive, as variances must be. */
export function randomizeWeights(model: TF.LayersModel, seed = 1): void {
  const next = random(seed)
  for (const layer of model.layers) {
    const weights = layer.getWeights()
    // Around 1/√inputs, so that a deep chain neither dies nor explodes.
    const filled = weights.map(w => {
      const reach = w.rank > 1 ? 1 / Math.sqrt(w.size / w.shape.at(-1)!) : 1
      const sign = () => (w.rank > 1 && next() < 0.5 ? -1 : 1)
      return tf.tensor(
        Float32Array.from({ length: w.size }, () => sign() * (0.3 + next()) * reach),
        w.shape,
      )
    })
    if (filled.length > 0) layer.setWeights(filled)
    tf.dispose(filled)
  }
}

/**
 * Largest difference between tfjs and the graph in ONNX Runtime, over all answers, on seeded numbers around 0.
 * @param sizes for the free dimensions of every input, in order: [height, width] of a picture
 */
export async function difference(
  model: TF.LayersModel,
  sizes: readonly (readonly number[])[],
  graph: Graph = exportGraph(model),
): Promise<number> {
  const session = await openSession(serialize(graph))
  let largest = 0
  try {
    for (const size of sizes) {
      const inputs = model.inputs.map(({ shape }, i) => {
        const free = [...size]
        const [batch, ...sides] = shape
        const dims = [batch ?? 2, ...sides.map(side => side ?? free.shift()!)]
        return tf.randomUniform(dims, -1, 1, 'float32', (size[0] ?? 1) * 100 + (size[1] ?? 1) + i)
      })
      const outputs = [model.predict(inputs)].flat()
      const answers = await session.runAll(await Promise.all(inputs.map(planes)))
      assert.equal(answers.length, outputs.length)
      for (const [i, output] of outputs.entries()) {
        const want = await planes(output)
        assert.deepEqual([...answers[i]!.dims], want.dims)
        assert.ok(
          want.data.some(v => Math.abs(v) > 1e-3),
          'a network that answers nothing proves nothing',
        )
        largest = Math.max(largest, largestDifference(want.data, answers[i]!.data))
      }
      tf.dispose([inputs, outputs])
    }
  } finally {
    await session.close()
  }
  return largest
}

/** As in the graph: pictures are NCHW there. */
async function planes(x: TF.Tensor) {
  const value = x.rank === 4 ? tf.transpose(x, [0, 3, 1, 2]) : x
  const data = (await value.data()) as Float32Array
  if (value !== x) value.dispose()
  return { data, dims: value.shape }
}

/** A network of one input, made by applying layers. */
export function network(shape: (number | null)[], body: (x: TF.SymbolicTensor) => TF.SymbolicTensor, seed = 1): TF.LayersModel {
  return networkOf([shape], ([x]) => body(x!), seed)
}

/** One of several inputs and perhaps several outputs. */
export function networkOf(
  shapes: (number | null)[][],
  body: (values: TF.SymbolicTensor[]) => TF.SymbolicTensor | TF.SymbolicTensor[],
  seed = 1,
): TF.LayersModel {
  const inputs = shapes.map(shape => tf.input({ shape }))
  const model = tf.model({ inputs, outputs: body(inputs) })
  randomizeWeights(model, seed)
  return model
}
