import type { Attribute } from '../graph.js'
import { transpose } from './axes.js'
import type { LayerCall, Shape } from './call.js'

/** How a window moves over a value, one number an axis. */
export interface WindowConfig {
  strides: number[]
  padding: string
  dilationRate?: number[]
}

/**
 * Strides and pads. tfjs pads 'same' by the input's size, more at the end than at the start: with a stride only a fixed size has fixed
 * pads, or a window of one place, which needs none.
 * @param inputShape tfjs'
 */
export function frame(config: WindowConfig, kernelSize: number[], inputShape: Shape): Record<string, Attribute> {
  const strides = { ints: config.strides }
  if (config.padding === 'valid') return { strides }
  const total = kernelSize.map((k, i) => {
    const reach = (config.dilationRate?.[i] ?? 1) * (k - 1)
    const stride = config.strides[i]!
    if (stride === 1 || k === 1) return reach
    const size = inputShape[i + 1]
    return size ? Math.max(0, (Math.ceil(size / stride) - 1) * stride + reach + 1 - size) : undefined
  })
  if (!total.every(t => t !== undefined)) return { strides, auto_pad: { string: 'SAME_UPPER' } }
  return { strides, pads: { ints: [...total.map(t => Math.floor(t / 2)), ...total.map(t => Math.ceil(t / 2))] } }
}

/** Three dimensions, [batch, steps, channels]: channels go before the steps, as ONNX' windows want them, and back again. */
export function alongSteps(call: LayerCall, body: (call: LayerCall) => string): string {
  const first = transpose(call, call.inputs[0]!, [0, 2, 1])
  return transpose(call, body({ ...call, inputs: [first] }), [0, 2, 1])
}
