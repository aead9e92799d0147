import type { Image } from './image.js'

/** A plane without `border` pixels at each side; empty where nothing is left. */
export function shave({ data, width, height }: Image<Float32Array>, border: number): Image<Float32Array> {
  const [w, h] = [Math.max(0, width - 2 * border), Math.max(0, height - 2 * border)]
  const out = new Float32Array(w * h)
  for (let y = 0; y < h; y++) {
    const from = (y + border) * width + border
    out.set(data.subarray(from, from + w), y * w)
  }
  return { data: out, width: w, height: h, channels: 1 }
}
