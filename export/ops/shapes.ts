import { ints } from '../graph.js'
import { fromTfjsOrder, graphAxis, inGraphOrder, toTfjsOrder, transpose } from './axes.js'
import type { Op } from './call.js'
import { channelsLast } from './call.js'

type Borders = [[top: number, bottom: number], [left: number, right: number]]

const flatten: Op = call => {
  const rank = call.inputShape.length
  const x =
    call.config.dataFormat === 'channelsFirst'
      ? transpose(
          call,
          call.inputs[0]!,
          [0, ...range(2, rank), 1].map(axis => graphAxis(axis, rank)),
        )
      : toTfjsOrder(call, call.inputs[0]!, call.inputShape)
  return call.add('Flatten', [x], { axis: { int: 1 } })
}

const reshape: Op = call => {
  const { targetShape } = call.config as { targetShape: (number | null)[] }
  return fromTfjsOrder(call, toTfjsOrder(call, call.inputs[0]!, call.inputShape), targetShape)
}

const permute: Op = call => {
  const dims = [0, ...(call.config.dims as number[])]
  return transpose(
    call,
    call.inputs[0]!,
    inGraphOrder(dims).map(axis => graphAxis(axis, dims.length)),
  )
}

const repeatVector: Op = call => {
  const row = call.add('Unsqueeze', [call.inputs[0]!, call.constant('axes', ints([1]))])
  return call.add('Tile', [row, call.constant('repeats', ints([1, call.config.n as number, 1]))])
}

const cropping2d: Op = call => {
  channelsLast(call)
  const [rows, columns] = call.config.cropping as Borders
  const starts = call.constant('starts', ints([rows[0], columns[0]]))
  const ends = call.constant('ends', ints([rows, columns].map(([, end]) => (end === 0 ? Number.MAX_SAFE_INTEGER : -end))))
  return call.add('Slice', [call.inputs[0]!, starts, ends, call.constant('axes', ints([2, 3]))])
}

const padding =
  (mode: 'constant' | 'reflect'): Op =>
  call => {
    channelsLast(call)
    const [rows, columns] = call.config.padding as Borders
    const pads = call.constant('pads', ints([0, 0, rows[0], columns[0], 0, 0, rows[1], columns[1]]))
    return call.add('Pad', [call.inputs[0]!, pads], { mode: { string: mode } })
  }

export const shapeOps: Record<string, Op> = {
  Flatten: flatten,
  Reshape: reshape,
  Permute: permute,
  RepeatVector: repeatVector,
  Cropping2D: cropping2d,
  ZeroPadding2D: padding('constant'),
  ReflectionPadding2D: padding('reflect'),
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}
