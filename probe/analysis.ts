import { type Arrangement, answerTo, arrangementsOf, fixedSizeOf, type Size, shapeOf, sideAxes } from './layout.js'
import { leastMultiple } from './multiple.js'
import type { OnnxFile } from './onnx-file.js'
import { all } from './trace/box.js'
import { trace } from './trace/trace.js'

/** What can be told of an upscaler by following its graph, without running it. */
export interface Analysis {
  input: Arrangement
  output: Arrangement
  scale: number
  /** Radius in input pixels: a pixel further away cannot change the answer. null: further than can be told, or the picture whole. */
  receptiveField: number | null
  /** Convolutions and matrix products, by operator, per input pixel; a multiply-add counts as two. */
  flops: Map<string, number>
  flopsPerPixel: number
  fixedSize: Size | null
  /** The sides of a picture must be multiples of this. */
  sizeMultiple: number
}

/** Sides of a picture in which a network looks as far as it can; nothing is computed, so they cost nothing. */
const LARGE_SIDE = 2 ** 14
/** Operations are counted, and sizes tried, on one with sides of their own. */
const COUNTED: Size = { height: 192, width: 128 }
/** Rows and columns, in input pixels, after which all repeats in most networks: what each of them looks at is asked. */
const PERIOD = 16

/** @returns the figures, or why the graph cannot be followed */
export async function analyse(file: OnnxFile): Promise<Analysis | { reason: string }> {
  const [input] = file.inputs
  if (file.inputs.length !== 1 || !input) return { reason: `${file.inputs.length} inputs` }
  let reason = 'its input is no picture of one or three channels'
  for (const arrangement of arrangementsOf(input)) {
    try {
      return await analyseAs(file, arrangement)
    } catch (error) {
      reason = (error as Error).message
    }
  }
  return { reason }
}

async function analyseAs(file: OnnxFile, input: Arrangement): Promise<Analysis> {
  const fixedSize = fixedSizeOf(file.inputs[0]!, input.layout)
  const size = fixedSize ?? COUNTED
  const { shape, multiplyAdds } = trace(file, shapeOf(input, size))
  const answer = answerTo(shape, size)
  if (!answer) throw new Error(`a picture of ${size.width}×${size.height} is answered with ${shape.join('×')}`)
  const { scale, ...output } = answer
  const flops = new Map([...multiplyAdds].map(([op, count]) => [op, (2 * count) / (size.width * size.height)]))
  const works = (size: Size) => {
    try {
      return answerTo(trace(file, shapeOf(input, size)).shape, size)?.scale === scale
    } catch {
      return false
    }
  }
  return {
    input,
    output,
    scale,
    receptiveField: radiusOf(file, input, output, scale, fixedSize ?? { height: LARGE_SIDE, width: LARGE_SIDE }),
    flops,
    flopsPerPixel: [...flops.values()].reduce((sum, count) => sum + count, 0),
    fixedSize,
    sizeMultiple: fixedSize ? 1 : ((await leastMultiple(works)) ?? PERIOD),
  }
}

/** How far the answer's pixels in the middle of a picture look; null where they see its edges. */
function radiusOf(file: OnnxFile, input: Arrangement, output: Arrangement, scale: number, { height, width }: Size): number | null {
  const { shape, sourceOf } = trace(file, shapeOf(input, { height, width }))
  const sides = [height, width]
  const [from, to] = [sideAxes(input.layout), sideAxes(output.layout)]
  let radius = 0
  for (let step = 0; step < PERIOD * scale; step++) {
    const places = sides.map(side => Math.floor((side - Math.min(side, PERIOD)) / 2) * scale + (step % (Math.min(side, PERIOD) * scale)))
    const part = shape.map((size, axis) =>
      to.includes(axis) ? ([places[to.indexOf(axis)]!, places[to.indexOf(axis)]!] as const) : all(size),
    )
    const source = sourceOf(part)
    if (!source) continue
    for (const [k, side] of sides.entries()) {
      const [first, last] = source[from[k]!]!
      if (first === 0 || last === side - 1) return null
      const own = Math.floor(places[k]! / scale)
      radius = Math.max(radius, own - first, last - own)
    }
  }
  return radius
}
