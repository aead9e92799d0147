import type * as TF from '@tensorflow/tfjs'
import { convBiasLeakyRelu } from '../../nets/conv-bias.js'
import type { Tf } from '../../nets/engine.js'
import { layersOf } from '../../nets/layers.js'
import { resolveConfig } from '../../train/config.js'
import { makeRecipe } from '../../train/recipes/index.js'
import { numbers } from './differences.js'

/** What one engine computes, to be compared with another's. */
export interface EngineFigures {
  /** Results and gradients of what generators and losses are made of. */
  tensors: Record<string, number[]>
  /** The loss of every step of a small training. */
  losses: number[]
  /** Tensors that each of these steps left behind. */
  leaked: number[]
}

export async function engineFigures(tf: Tf): Promise<EngineFigures> {
  return { tensors: await tensorFigures(tf), ...(await trainingFigures(tf)) }
}

async function tensorFigures(tf: Tf): Promise<Record<string, number[]>> {
  const given = (shape: number[], seed: number) => tf.tensor(numbers(shape, seed), shape)
  const [x, kernel, bias] = [given([2, 5, 4, 3], 1), given([3, 3, 3, 8], 2), given([8], 3)] as [TF.Tensor4D, TF.Tensor4D, TF.Tensor1D]
  const shuffle = layersOf(tf).pixelShuffle({ scale: 2 })
  const functions: Record<string, (x: TF.Tensor, kernel: TF.Tensor, bias: TF.Tensor) => TF.Tensor> = {
    'convolution of stride 2': (x, kernel) => tf.conv2d(x as TF.Tensor4D, kernel as TF.Tensor4D, 2, 'same'),
    ...Object.fromEntries(
      [0.1, 1].map(slope => [
        `convolution, bias, slope ${slope}`,
        (x: TF.Tensor, kernel: TF.Tensor, bias: TF.Tensor) =>
          convBiasLeakyRelu(tf, x as TF.Tensor4D, kernel as TF.Tensor4D, bias as TF.Tensor1D, slope),
      ]),
    ),
    'pixel shuffle': (x, kernel) => shuffle.apply(tf.conv2d(x as TF.Tensor4D, kernel as TF.Tensor4D, 1, 'same')) as TF.Tensor,
    'mean difference': x => tf.abs(tf.sub(x, 0.1)).mean(),
  }
  const tensors: Record<string, number[]> = {}
  for (const [name, f] of Object.entries(functions)) {
    const used = [x, kernel, bias].slice(0, f.length)
    const results = tf.tidy(() => {
      const y = f(x, kernel, bias)
      const dy = given(y.shape, 4)
      return [y, ...tf.grads((...inputs: TF.Tensor[]) => f(inputs[0]!, inputs[1]!, inputs[2]!))(used, dy)]
    })
    for (const [i, what] of ['result', 'gradient of x', 'gradient of the kernel', 'gradient of the bias'].entries()) {
      if (results[i]) tensors[`${name}: ${what}`] = Array.from(await results[i].data())
    }
    tf.dispose(results)
  }
  tf.dispose([x, kernel, bias])
  return tensors
}

async function trainingFigures(tf: Tf): Promise<{ losses: number[]; leaked: number[] }> {
  const small = { 'network.channels': 8, 'network.blocks': 1, 'network.expansion': 8, 'data.patch': 8, 'data.batch': 2 }
  const recipe = await makeRecipe(tf, resolveConfig('tiny', { ...small, 'schedule.warmup': 0, 'optimizer.learningRate': 3e-3 }))
  const low = numbers([2, 8, 8, 3], 5).map(Math.abs)
  // The low side enlarged by nearest neighbour and made brighter: an easy lesson.
  const high = Float32Array.from({ length: 4 * low.length }, (_, i) => {
    const [row, column, colour] = [Math.floor(i / 48), Math.floor(i / 3) % 16, i % 3]
    return 0.2 + low[(row >> 1) * 24 + (column >> 1) * 3 + colour]!
  })
  const [losses, leaked]: [number[], number[]] = [[], []]
  for (let step = 1; step <= 5; step++) {
    const before = tf.memory().numTensors
    const values = await recipe.step([{ low, high }], step)
    losses.push(Object.values(values)[0]!)
    leaked.push(tf.memory().numTensors - before)
  }
  return { losses, leaked }
}
