import { type Architecture, conv, count, shuffled, side } from './architecture.js'

/** BasicSR's SRResNet without norms: https://github.com/XPixelGroup/BasicSR/blob/v1.4.2/basicsr/archs/srresnet_arch.py */
export const MSRRESNET: Architecture = {
  name: 'MSRResNet',
  guess(weights) {
    const blocks = count(weights, /^body\.\d+\.conv1\.weight$/)
    const channels = side(weights, 'conv_first.weight', 0) ?? 64
    const twice = weights.has('upconv2.weight')
    const factor = twice ? 2 : Math.max(2, Math.round(Math.sqrt((side(weights, 'upconv1.weight', 0) ?? 4 * channels) / channels)))
    const put = (layer: string, from = channels, to = channels) => conv({ layer, channels: [from, to] })
    const enlarge = (layer: string) => conv({ layer, channels: [channels, channels * factor ** 2], outputs: shuffled(channels, factor) })
    return {
      network: { kind: 'msrresnet', channels, blocks },
      scale: twice ? 4 : factor,
      parts: [
        ...put('conv_first', 3),
        ...Array.from({ length: blocks }, (_, i) => [...put(`body.${i}.conv1`), ...put(`body.${i}.conv2`)]).flat(),
        ...(twice ? ['upconv1', 'upconv2'] : ['upconv1']).flatMap(enlarge),
        ...put('conv_hr'),
        ...put('conv_last', channels, 3),
      ],
    }
  },
}
