import { type Architecture, conv, count, shuffled, side, type Weights } from './architecture.js'

/** Mean colour of DIV2K's photographs, on [0,1]: what EDSR's authors subtract. */
const MEAN = [0.4488, 0.4371, 0.404]
/** Their networks see black as 0 and white as 255. */
const RANGE = 255
/** Lim et al. 2017, section 3.3: with so many channels the residuals are weakened. */
const WIDE = 256
const RESIDUAL_SCALE = 0.1

interface Names {
  name: string
  block: RegExp
  key(layer: string, blocks: number): string
  /** Range and mean of the pictures, where the file tells. */
  range(weights: Weights): Range | undefined
}

interface Range {
  range: number
  mean: number[]
  /** Keys it was read from. */
  keys: string[]
}

/** https://github.com/XPixelGroup/BasicSR/blob/v1.4.2/basicsr/archs/edsr_arch.py */
const BASICSR: Names = {
  name: 'EDSR',
  block: /^body\.\d+\.conv1\.weight$/,
  key: layer => layer.replace('conv_body', 'conv_after_body').replace(/^upconv(\d)$/, (_, i) => `upsample.${2 * (i - 1)}`),
  range: () => undefined,
}

/** https://github.com/sanghyun-son/EDSR-PyTorch */
const AUTHORS: Names = {
  name: "EDSR (its authors' key names)",
  block: /^body\.\d+\.body\.0\.weight$/,
  key: (layer, blocks) =>
    layer
      .replace('conv_first', 'head.0')
      .replace('conv_body', `body.${blocks}`)
      .replace(/^upconv(\d)$/, (_, i) => `tail.0.${2 * (i - 1)}`)
      .replace('conv_last', 'tail.1')
      .replace(/conv([12])$/, (_, i) => `body.${2 * (i - 1)}`),
  range: meanShift,
}

/**
 * Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPRW 2017. Between 0 and 255 there, between 0 and 1
 * here: the first kernel is multiplied by 255, the last convolution divided.
 */
const edsr = (names: Names): Architecture => ({
  name: names.name,
  guess(weights) {
    const blocks = count(weights, names.block)
    const key = (layer: string) => names.key(layer, blocks)
    const channels = side(weights, `${key('conv_first')}.weight`, 0) ?? 64
    const twice = weights.has(`${key('upconv2')}.weight`)
    const factor = twice ? 2 : Math.max(2, Math.round(Math.sqrt((side(weights, `${key('upconv1')}.weight`, 0) ?? 4 * channels) / channels)))
    const told = names.range(weights)
    const { range, mean, keys } = told ?? { range: RANGE, mean: MEAN, keys: [] }
    const wide = channels >= WIDE

    const put = (layer: string) => conv({ layer, key: key(layer), channels: [channels, channels] })
    const enlarge = (layer: string) =>
      conv({ layer, key: key(layer), channels: [channels, channels * factor ** 2], outputs: shuffled(channels, factor) })
    return {
      network: {
        kind: 'srresnet',
        norm: 'none',
        channels,
        blocks,
        mean,
        ...(wide ? { residualScale: RESIDUAL_SCALE } : {}),
      },
      scale: twice ? 4 : factor,
      parts: [
        ...conv({ layer: 'conv_first', key: key('conv_first'), channels: [3, channels], factor: range }),
        ...Array.from({ length: blocks }, (_, i) => [...put(`body.${i}.conv1`), ...put(`body.${i}.conv2`)]).flat(),
        ...put('conv_body'),
        ...(twice ? ['upconv1', 'upconv2'] : ['upconv1']).flatMap(enlarge),
        ...conv({ layer: 'conv_last', key: key('conv_last'), channels: [channels, 3], factor: 1 / range }, true),
      ],
      beside: keys,
      assumed: [
        `residual scale ${wide ? RESIDUAL_SCALE : 1}, as EDSR of ${channels} channels has it`,
        ...(told ? [] : [`pictures from 0 to ${RANGE} with the mean of DIV2K subtracted, as BasicSR and EDSR's authors have it`]),
      ],
    }
  },
})

export const EDSRS: Architecture[] = [BASICSR, AUTHORS].map(edsr)

/** `sub_mean` and `add_mean` are 1×1 convolutions of the identity whose bias is the mean, on the picture's range. */
function meanShift(weights: Weights): Range | undefined {
  const keys = ['sub_mean.weight', 'sub_mean.bias', 'add_mean.weight', 'add_mean.bias']
  const tensors = keys.map(key => weights.get(key)?.data)
  const [subtracts, minus, adds, plus] = tensors
  if (!subtracts || !minus || !adds || !plus) return undefined
  const identity = [1, 0, 0, 0, 1, 0, 0, 0, 1].join()
  const inverse = plus.length === 3 && minus.length === 3 && plus.every((value, c) => value === -minus[c]!)
  if (subtracts.join() !== identity || adds.join() !== identity || !inverse) return undefined
  const range = plus.some(value => value > 1) ? RANGE : 1
  return { range, mean: Array.from(plus, value => value / range), keys }
}
