import type { Op } from './call.js'
import { channelsLast, unsupported } from './call.js'
import { alongSteps, frame, type WindowConfig } from './windows.js'

/** Averages leave the padding out, as tfjs' do. */
const pooling =
  (op: 'AveragePool' | 'MaxPool'): Op =>
  call => {
    channelsLast(call)
    const { poolSize, ...config } = call.config as unknown as WindowConfig & { poolSize: number[] }
    const attributes = frame(config, poolSize, call.inputShape)
    // ONNX Runtime would begin inside the picture where the last window needs no padding.
    if ('auto_pad' in attributes && poolSize.some((k, i) => k < config.strides[i]!))
      throw unsupported(call.layer, "expected a pool as large as its strides, or padding 'valid', or a fixed size of its input")
    return call.add(op, call.inputs, { kernel_shape: { ints: poolSize }, ...attributes })
  }

/** Over all positions: axes of the graph. */
const globalPooling =
  (op: 'ReduceMean' | 'ReduceMax', axes: number[]): Op =>
  call => {
    channelsLast(call)
    return call.add(op, call.inputs, { axes: { ints: axes }, keepdims: { int: 0 } })
  }

export const poolingOps: Record<string, Op> = {
  AveragePooling2D: pooling('AveragePool'),
  MaxPooling2D: pooling('MaxPool'),
  AveragePooling1D: call => alongSteps(call, pooling('AveragePool')),
  MaxPooling1D: call => alongSteps(call, pooling('MaxPool')),
  GlobalAveragePooling2D: globalPooling('ReduceMean', [2, 3]),
  GlobalMaxPooling2D: globalPooling('ReduceMax', [2, 3]),
  GlobalAveragePooling1D: globalPooling('ReduceMean', [1]),
  GlobalMaxPooling1D: globalPooling('ReduceMax', [1]),
}
