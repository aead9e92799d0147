import type * as TF from '@tensorflow/tfjs'
import { z } from 'zod'
import { UprezError } from '../../errors.js'
import type { Tf } from '../engine.js'
import { layersOf } from '../layers.js'
import { type Chain, chain, picture } from './chain.js'

export const rrdbSchema = z.strictObject({
  kind: z.literal('rrdb'),
  channels: z.int().min(1).max(512).default(64).describe("feature channels, BasicSR's num_feat"),
  blocks: z.int().min(1).max(64).default(23).describe("residual-in-residual dense blocks, BasicSR's num_block"),
  growth: z.int().min(1).max(256).default(32).describe("channels that each dense convolution adds, BasicSR's num_grow_ch"),
  unshuffle: z
    .boolean()
    .default(true)
    .describe(
      "for ×2 and ×1, the picture's pixels go into channels first, as in Real-ESRGAN; false: fewer enlargements, as in older models",
    ),
})

const SLOPE = 0.2
/** What a dense block, and a block of three, add is weakened by this. */
const RESIDUAL_SCALE = 0.2

/**
 * The generator of ESRGAN: Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", ECCVW 2018, figures 3
 * and 4. It always enlarges four times; for ×2 and ×1 the picture's pixels go into channels first, as in Real-ESRGAN (Wang et al.,
 * ICCVW 2021, section 3.4), and its sides must be multiples of 2 and 4. Without `unshuffle` it enlarges as often as the scale asks.
 *
 *   in ─ (unshuffle) ─ conv ─┬─ RRDB × 23 ─ conv ─ (+) ─ [nearest ×2 ─ conv ─ act] × 2 ─ conv ─ act ─ conv ─ out
 *                            └─────────────────────┘
 *   RRDB:  x + 0.2 · three dense blocks          dense block:  x + 0.2 · conv5([x, x1 … x4]), xi = act(convi([x, x1 … ]))
 *
 * Layers have BasicSR's names, so `body.0.rdb1.conv1` is `body.0.rdb1.conv1.weight` there; channels of an unshuffled picture stand
 * as (row, column, colour), PyTorch's as (colour, row, column). Dense convolutions begin with a tenth of He's weights, as there.
 * Float NHWC [n,h,w,3] in [0,1] → [n,h·scale,w·scale,3], unclamped.
 * @throws UprezError `invalid-option` for scale 3, and without `unshuffle` for anything but 1, 2, 4 and 8
 */
export function rrdbGenerator(tf: Tf, config: z.infer<typeof rrdbSchema>, scale: number, seed: number): TF.LayersModel {
  const layers = layersOf(tf)
  const { channels, blocks, growth, unshuffle } = config
  const unshuffled = unshuffle ? 4 / scale : 1
  const enlargements = Math.log2(scale * unshuffled)
  if (!Number.isInteger(unshuffled) || !Number.isInteger(enlargements)) {
    const expected = `${unshuffle ? '1, 2 or 4' : '1, 2, 4 or 8'} for the network rrdb`
    throw new UprezError('invalid-option', `scale: expected ${expected}, got ${scale}`, { param: 'scale', expected, got: String(scale) })
  }
  const conv = (name: string, options: { filters?: number; slope?: number; gain?: number } = {}) =>
    layers.conv({ name, filters: channels, kernelSize: 3, gain: 1, seed, ...options })

  const input = picture(tf)
  const entry = chain(tf, input)
  const first = (unshuffled === 1 ? entry : entry.put(layers.pixelUnshuffle({ name: 'unshuffle', scale: unshuffled }))).put(
    conv('conv_first'),
  )
  let net = first
  for (let i = 0; i < blocks; i++) net = residualInResidual(net, `body.${i}`)
  net = net.put(conv('conv_body')).add(first.end, 'skip')
  for (let i = 1; i <= enlargements; i++) {
    const name = `conv_up${i}`
    net = net.put(tf.layers.upSampling2d({ name: `${name}.nearest`, size: [2, 2] })).put(conv(name, { slope: SLOPE }))
  }
  net = net.put(conv('conv_hr', { slope: SLOPE })).put(conv('conv_last', { filters: 3, gain: 0.1 }))
  return tf.model({ inputs: input, outputs: net.end, name: 'rrdb' })

  function residualInResidual(start: Chain, name: string): Chain {
    let net = start
    for (const rdb of ['rdb1', 'rdb2', 'rdb3']) net = residual(net, dense(net, `${name}.${rdb}`), `${name}.${rdb}`)
    return residual(start, net, name)
  }

  function dense(start: Chain, name: string): Chain {
    const seen = [start.end]
    const next = (i: number, options: { filters: number; slope?: number }) => {
      const all =
        seen.length === 1 ? start : chain(tf, tf.layers.concatenate({ name: `${name}.cat${i}` }).apply([...seen]) as TF.SymbolicTensor)
      return all.put(conv(`${name}.conv${i}`, { ...options, gain: 0.1 }))
    }
    for (let i = 1; i <= 4; i++) seen.push(next(i, { filters: growth, slope: SLOPE }).end)
    return next(5, { filters: channels })
  }

  function residual(start: typeof net, change: Chain, name: string): Chain {
    return change.put(layers.affine({ name: `${name}.scale`, factor: RESIDUAL_SCALE })).add(start.end, `${name}.add`)
  }
}
