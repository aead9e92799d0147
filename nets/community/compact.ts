import { type Architecture, conv, type Part, shuffled, side } from './architecture.js'

const LEAKY = Math.fround(0.1)

/**
 * Real-ESRGAN's compact network: https://github.com/xinntao/Real-ESRGAN/blob/v0.3.0/realesrgan/archs/srvgg_arch.py. A slope a channel
 * stands between its convolutions; where all are 0.1 or 0, the activation is a leaky ReLU or a ReLU, which run faster.
 */
export const SRVGG: Architecture = {
  name: 'SRVGGNetCompact',
  guess(weights) {
    const convolutions = [...weights].filter(([key, { shape }]) => /^body\.\d+\.weight$/.test(key) && shape.length === 4).length
    const blocks = Math.max(0, convolutions - 2)
    const last = `body.${2 * blocks + 2}`
    const channels = side(weights, 'body.0.weight', 0) ?? 64
    const scale = Math.max(1, Math.round(Math.sqrt((side(weights, `${last}.weight`, 0) ?? 48) / 3)))
    const slopes = Array.from({ length: blocks + 1 }, (_, i): Part => {
      const layer = `body.${2 * i + 1}`
      return { key: `${layer}.weight`, shape: [channels], layer, index: 0 }
    })
    const all = (slope: number) => slopes.every(({ key }) => weights.get(key)?.data.every(value => value === slope))
    const known = { kind: 'srvgg', channels, blocks, ...(all(LEAKY) ? { activation: 'leaky-relu' } : all(0) ? { activation: 'relu' } : {}) }
    return {
      network: known,
      scale,
      parts: [
        ...Array.from({ length: blocks + 1 }, (_, i) =>
          conv({ layer: `body.${2 * i}`, channels: [i === 0 ? 3 : channels, channels] }),
        ).flat(),
        ...slopes,
        ...conv({ layer: last, channels: [channels, 3 * scale ** 2], outputs: shuffled(3, scale) }),
      ],
    }
  },
}
