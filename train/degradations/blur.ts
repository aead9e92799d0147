import type { Image } from '../../image/image.js'
import { correlator } from './correlate.js'
import type { Kernel } from './kernels.js'

const PAGE = 65536
/** Weight at the rim of a kernel that is left out: on 0..255 it changes nothing by more than 1/200 of a level. */
const NOTHING = 1e-5

/** Correlates an RGB picture with a kernel in single precision; borders are reflected (… 2 1 | 0 1 2 …). */
export function blur({ data, width, height, channels }: Image<Float32Array>, kernel: Kernel): Image<Float32Array> {
  const { side, weights } = trimmed(kernel)
  const reach = (side - 1) / 2
  // Sixteen floats at a time: rows are read and written up to 15 floats past their end.
  const outRow = Math.ceil((width * 3) / 16) * 16
  const row = outRow + 2 * reach * 3
  const [sourceSize, outSize] = [row * (height + 2 * reach), outRow * height]

  const { memory, correlate } = correlator()
  const missing = (sourceSize + outSize + weights.length) * 4 - memory.buffer.byteLength
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE))
  const floats = new Float32Array(memory.buffer)
  padInto(floats, row, { data, width, height, channels }, reach)
  floats.set(weights, sourceSize + outSize)
  correlate(sourceSize * 4, 0, (sourceSize + outSize) * 4, side, row * 4, (row - 3 * side) * 4, height, outRow * 4)

  const out = new Float32Array(data.length)
  for (let y = 0; y < height; y++) {
    const from = sourceSize + y * outRow
    out.set(floats.subarray(from, from + width * 3), y * width * 3)
  }
  return { data: out, width, height, channels }
}

/** Copies the picture with `reach` reflected pixels all round it; what lies past the end of a row is never seen. */
function padInto(floats: Float32Array, row: number, { data, width, height }: Image<Float32Array>, reach: number): void {
  for (let y = -reach; y < height + reach; y++) {
    const to = (y + reach) * row
    const from = reflect(y, height) * width * 3
    floats.set(data.subarray(from, from + width * 3), to + reach * 3)
    const copyEdge = (x: number) => {
      const inside = to + (reach + reflect(x, width)) * 3
      floats.copyWithin(to + (reach + x) * 3, inside, inside + 3)
    }
    for (let x = -reach; x < 0; x++) copyEdge(x)
    for (let x = width; x < width + reach; x++) copyEdge(x)
  }
}

/** Without the outer rings that weigh nothing: a narrow bell in a wide square is a small kernel. */
function trimmed({ side, weights }: Kernel): Kernel {
  const ringOf = (i: number) => Math.min(i % side, Math.floor(i / side), side - 1 - (i % side), side - 1 - Math.floor(i / side))
  const rings = new Float64Array((side + 1) / 2)
  for (const [i, weight] of weights.entries()) rings[ringOf(i)]! += Math.abs(weight)
  let [cut, lost] = [0, rings[0]!]
  while (lost < NOTHING) lost += rings[++cut]!
  const kept = weights.filter((_, i) => ringOf(i) >= cut)
  const sum = kept.reduce((total, weight) => total + weight, 0)
  return { side: side - 2 * cut, weights: kept.map(weight => weight / sum) }
}

function reflect(index: number, length: number): number {
  if (index >= 0 && index < length) return index
  if (length === 1) return 0
  const period = 2 * length - 2
  const inside = ((index % period) + period) % period
  return inside < length ? inside : period - inside
}
