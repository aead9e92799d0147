import { toPlanes } from '../probe/halo.js'
import { drawLeaves } from '../probe/picture.js'
import type { Session } from '../probe/session.js'

/** Largest difference, in 8-bit steps, between the uint8 variant's answer and the canonical file's rounded to bytes, on drawn pictures. */
export async function compareBytes(canonical: Session, variant: Session, size: { width: number; height: number }): Promise<number> {
  let largest = 0
  for (const seed of [11, 12, 13]) {
    const image = drawLeaves(size.width, size.height, seed)
    const { data, dims } = await canonical.run(toPlanes(image))
    const bytes = await variant.runBytes(image.data, [1, image.height, image.width, 3])
    const area = dims[2]! * dims[3]!
    for (let i = 0; i < bytes.length; i++) {
      const value = data[(i % 3) * area + Math.floor(i / 3)]!
      largest = Math.max(largest, Math.abs(bytes[i]! - Math.round(255 * Math.min(1, Math.max(0, value)))))
    }
  }
  return largest
}
