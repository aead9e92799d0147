import type { Port } from '../models/card.js'
import type { OnnxValue } from './onnx-file.js'

/** How a picture may lie in a value: batch, channels, height and width in ONNX' usual order, or channels last. */
export interface Arrangement {
  layout: Port['layout']
  channels: 1 | 3
}

export interface Size {
  width: number
  height: number
}

/** A picture with alpha. */
const MOST_CHANNELS = 4
const CHANNELS = [3, 1] as const
const LAYOUTS = ['NCHW', 'NHWC'] as const

/** What a declared value can be, the likeliest first; none where it can be no picture of one or three channels. */
export function arrangementsOf({ dims }: OnnxValue): Arrangement[] {
  if (dims !== undefined && dims.length !== 4) return []
  const all = LAYOUTS.flatMap(layout => CHANNELS.map(channels => ({ layout, channels })))
  const declared = (layout: Port['layout']) => dims?.[channelAxis(layout)]
  return all.filter(({ layout, channels }) => {
    const [own, other] = [declared(layout), declared(layout === 'NCHW' ? 'NHWC' : 'NCHW')]
    return own === channels || (typeof own !== 'number' && !(typeof other === 'number' && other <= MOST_CHANNELS))
  })
}

export const channelAxis = (layout: Port['layout']): number => (layout === 'NCHW' ? 1 : 3)

/** [height's, width's] */
export const sideAxes = (layout: Port['layout']): [number, number] => (layout === 'NCHW' ? [2, 3] : [1, 2])

export function shapeOf({ layout, channels }: Arrangement, { height, width }: Size): [number, number, number, number] {
  return layout === 'NCHW' ? [1, channels, height, width] : [1, height, width, channels]
}

/** The arrangement of an answer to a picture of this size, and how many times larger it is; undefined where it is no picture, or not a whole number of times larger. */
export function answerTo(dims: readonly number[], { height, width }: Size): (Arrangement & { scale: number }) | undefined {
  if (dims.length !== 4 || dims[0] !== 1) return undefined
  for (const layout of LAYOUTS) {
    const [y, x] = sideAxes(layout)
    const channels = CHANNELS.find(count => count === dims[channelAxis(layout)])
    const scale = dims[y]! / height
    if (channels && Number.isInteger(scale) && scale >= 1 && dims[x] === scale * width) return { layout, channels, scale }
  }
  return undefined
}

/** The one size that a declared value takes, or the free side's fixed neighbour; null where both are free. */
export function fixedSizeOf({ dims }: OnnxValue, layout: Port['layout']): Size | null {
  const [height, width] = sideAxes(layout).map(axis => dims?.[axis])
  if (typeof height !== 'number' && typeof width !== 'number') return null
  return typeof height === 'number'
    ? { height, width: typeof width === 'number' ? width : height }
    : { height: width as number, width: width as number }
}
