import { UprezError } from '../errors.js'

export interface SizeOptions {
  /** Enlargement along one side, any positive number. Excludes width and height. */
  scale?: number | undefined
  /** Size of the result in pixels. One of the two keeps the proportions; both are taken as they are. */
  width?: number | undefined
  height?: number | undefined
}

/**
 * The size a picture will have, before any work: sides × scale (default the model's), rounded half up, at least 1.
 * With one of width and height the other follows in proportion, rounded the same way. Limits are the caller's to check.
 * @throws UprezError `invalid-option`
 */
export function targetSize(
  image: { width: number; height: number },
  modelScale: number,
  options: SizeOptions = {},
): { width: number; height: number } {
  const { scale, width, height } = options
  if (width === undefined && height === undefined) {
    const factor = scale ?? modelScale
    if (!(Number.isFinite(factor) && factor > 0)) throw wrong('scale', 'a number above 0', factor)
    return { width: round(image.width * factor), height: round(image.height * factor) }
  }
  if (scale !== undefined)
    throw wrong('scale', 'either scale or width and height', `scale ${scale} with ${width ?? 'no'} width and ${height ?? 'no'} height`)
  for (const [param, value] of Object.entries({ width, height })) {
    if (value !== undefined && !(Number.isInteger(value) && value > 0)) throw wrong(param, 'a positive whole number of pixels', value)
  }
  return {
    width: width ?? round((image.width * height!) / image.height),
    height: height ?? round((image.height * width!) / image.width),
  }
}

const round = (side: number) => Math.max(1, Math.round(side))

function wrong(param: string, expected: string, got: unknown): UprezError {
  return new UprezError('invalid-option', `${param}: expected ${expected}, got ${got}`, { param, expected, got: String(got) })
}
