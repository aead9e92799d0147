import { UprezError } from '../errors.js'

export interface SizeOptions {
  /** Enlargement along one side, any positive number. Excludes width and height. */
  scale?: number | undefined
  /** Size of the result in pixels. One of the two keeps the proportions; both are taken as they are. */
  width?: number | undefined
  height?: number | undefined
  /** Longer side of the result in pixels; the other keeps the proportions. Excludes the three above. */
  longest?: number | undefined
}

/**
 * The size a picture will have, before any work: sides × scale (default the model's), rounded half up, at least 1.
 * With one of width, height and longest the other side follows in proportion, rounded the same way. Limits are the caller's to check.
 * @throws UprezError `invalid-option`
 */
export function targetSize(
  image: { width: number; height: number },
  modelScale: number,
  options: SizeOptions = {},
): { width: number; height: number } {
  const { scale, width, height, longest } = options
  if (longest !== undefined) return fitLongest(image, longest, { scale, width, height })
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

function fitLongest(
  image: { width: number; height: number },
  longest: number,
  others: Record<string, number | undefined>,
): { width: number; height: number } {
  const other = Object.keys(others).find(name => others[name] !== undefined)
  if (other !== undefined) throw wrong('longest', `either longest or ${other}`, 'both')
  if (!(Number.isInteger(longest) && longest > 0)) throw wrong('longest', 'a positive whole number of pixels', longest)
  const longer = Math.max(image.width, image.height)
  return { width: round((image.width * longest) / longer), height: round((image.height * longest) / longer) }
}

const round = (side: number) => Math.max(1, Math.round(side))

function wrong(param: string, expected: string, got: unknown): UprezError {
  return new UprezError('invalid-option', `${param}: expected ${expected}, got ${got}`, { param, expected, got: String(got) })
}
