import type * as TF from '@tensorflow/tfjs'
import { z } from 'zod'
import type { Tf } from '../engine.js'
import { chain } from '../generators/chain.js'
import { layersOf } from '../layers.js'
import { nameSeed } from '../seed.js'
import { criticLayersOf } from './layers.js'

export const srganSchema = z.strictObject({
  kind: z.literal('srgan'),
  channels: z.int().min(1).max(512).default(64).describe('of the first convolution; the last has eight times as many'),
  hidden: z.int().min(1).max(4096).default(1024).describe('width of the dense layer before the last'),
})

const SLOPE = 0.2
const POOLED = 6

/**
 * The critic of SRGAN: Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network",
 * CVPR 2017, figure 4. Eight 3×3 convolutions, every second one of stride 2, batch norm after all but the first; before the dense
 * layers an average over 6×6 windows (none at the paper's 96×96), as the PyTorch ports have it.
 *
 *   in ─ conv1 ─ act1 ─ conv2 ─ norm2 ─ act2 ─ … ─ conv8 ─ norm8 ─ act8 ─ pool ─ flat ─ dense1 ─ act9 ─ logits
 *
 * [n,side,side,3] in [0,1] → [n,1].
 */
export function srganCritic(tf: Tf, config: z.infer<typeof srganSchema>, side: number, seed: number): TF.LayersModel {
  const { criticConv, leaky, adaptivePool } = criticLayersOf(tf)
  const { batchNorm } = layersOf(tf)
  const dense = (name: string, units: number) =>
    tf.layers.dense({ name, units, kernelInitializer: tf.initializers.heUniform({ seed: nameSeed(`${seed}/${name}`) }) })

  const input = tf.input({ shape: [side, side, 3], name: 'image' })
  let net = chain(tf, input)
  for (let i = 1; i <= 8; i++) {
    const filters = config.channels * 2 ** Math.floor((i - 1) / 2)
    const stride = i % 2 === 0 ? 2 : 1
    net = net.put(criticConv({ name: `conv${i}`, filters, kernelSize: 3, stride, padding: 'same', bias: i === 1, spectral: false, seed }))
    if (i > 1) net = net.put(batchNorm({ name: `norm${i}` }))
    net = net.put(leaky({ name: `act${i}`, slope: SLOPE }))
  }
  net = net.put(adaptivePool({ name: 'pool', side: POOLED })).put(tf.layers.flatten({ name: 'flat' }))
  net = net.put(dense('dense1', config.hidden)).put(leaky({ name: 'act9', slope: SLOPE }))
  net = net.put(dense('logits', 1))
  return tf.model({ inputs: input, outputs: net.end, name: 'critic' })
}
