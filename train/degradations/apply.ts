import type { Image } from '../../image/image.js'
import { type ResizeKernel, resize } from '../../image/resize.js'
import { blur } from './blur.js'
import { compress } from './compress.js'
import { makeKernel } from './kernels.js'
import { addGaussianNoise, addPoissonNoise } from './noise.js'
import type { DegradationPlan, DegradationStep, ResizeMethod } from './plan.js'

/**
 * Does to an 8-bit RGB picture what a plan says; between the steps, but for a compression, samples stay floats.
 * The same plan and picture give the same bytes.
 */
export async function applyDegradation(plan: DegradationPlan, image: Image): Promise<Image> {
  let levels: Image<Float32Array> = { ...image, data: new Float32Array(image.data) }
  for (const step of plan) levels = await applyStep(step, levels, image)
  return toBytes(levels)
}

/** Samples are levels of 0..255, not rounded. */
async function applyStep(step: DegradationStep, levels: Image<Float32Array>, original: Image): Promise<Image<Float32Array>> {
  switch (step.op) {
    case 'blur':
      return blur(levels, makeKernel(step.kernel))
    case 'resize': {
      const [width, height] = [original.width, original.height].map(side => Math.max(1, Math.round(side * step.to)))
      return resize(levels, { width: width!, height: height!, ...RESIZES[step.method] })
    }
    case 'gaussian-noise':
      addGaussianNoise(levels, step)
      return levels
    case 'poisson-noise':
      addPoissonNoise(levels, step)
      return levels
    case 'jpeg':
    case 'webp': {
      const compressed = await compress(toBytes(levels), step)
      return { ...compressed, data: new Float32Array(compressed.data) }
    }
  }
}

const RESIZES: Record<ResizeMethod, { kernel: ResizeKernel; antialias: boolean }> = {
  area: { kernel: 'area', antialias: true },
  bilinear: { kernel: 'bilinear', antialias: false },
  bicubic: { kernel: 'bicubic', antialias: false },
  nearest: { kernel: 'box', antialias: false },
  antialiased: { kernel: 'bicubic', antialias: true },
}

function toBytes({ data, ...size }: Image<Float32Array>): Image {
  const bytes = new Uint8Array(data.length)
  for (let i = 0; i < data.length; i++) {
    const level = data[i]!
    bytes[i] = level <= 0 ? 0 : level >= 255 ? 255 : (level + 0.5) | 0
  }
  return { ...size, data: bytes }
}
