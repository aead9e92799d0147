import { open, readFile } from 'node:fs/promises'
import type { Metadata as SharpMetadata } from 'sharp'
import { UprezError } from '../errors.js'
import type { Image, Pixels } from '../image/image.js'
import { densityOf } from './density.js'
import type { Depth, Limits } from './job.js'
import { sharp } from './sharp.js'
import type { InputFormat } from './sniff.js'
import { HEAD_BYTES, refuseAnimation, sniff } from './sniff.js'

export type Source = { bytes: Uint8Array } | { path: string }

/** What a picture's header says. It proves nothing: a truncated file has a good header too. */
export interface Header {
  format: InputFormat
  /** In pixels, orientation applied. */
  width: number
  height: number
  alpha: boolean
  /** Of a sample; all that are more than 8 count as 16, except where there is only conversion to 8 (CMYK, Lab, floats). */
  depth: Depth
  /** Pixels per inch, where the file tells. */
  density: number | undefined
}

/** What is attached to a picture and goes on to the result as it is (the density, unless another one is asked for). */
export interface Attached {
  /** Profile: the pixels stay in its space, unconverted. */
  icc?: Buffer | undefined
  exif?: Buffer | undefined
  xmp?: Buffer | undefined
  /** Pixels per inch. */
  density?: number | undefined
}

export interface Picture<S extends Pixels = Uint8Array> {
  format: InputFormat
  /** 1 channel grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha. */
  image: Image<S>
  attached: Attached
}

/**
 * Reads as little of a picture as tells its format and size.
 * @param page of a TIFF, from 1; of several pages one must be named
 * @throws UprezError `no-input`, and what `decode` throws where the header shows it already
 */
export async function readHeader(source: Source, limits?: Pick<Limits, 'maxInputPixels'>, page?: number): Promise<Header> {
  const head = 'bytes' in source ? source.bytes : await readHead(source.path)
  return (await inspect(head, 'bytes' in source ? source.bytes : source.path, limits, page)).header
}

/** Of a TIFF; 1 for whatever else, and for what cannot be read. */
export async function countPages(path: string): Promise<number> {
  try {
    if (sniff(await readHead(path)) !== 'tiff') return 1
    const { pages } = await sharp(path, { ...STRICT, limitInputPixels: false }).metadata()
    return pages ?? 1
  } catch {
    return 1
  }
}

/** @throws UprezError `no-input` */
export async function readSource(source: Source): Promise<Uint8Array> {
  return 'bytes' in source ? source.bytes : readFile(source.path).catch(cause => noInput(source.path, cause))
}

/** What is wanted of a file. */
export interface How {
  /** Of a sample. What has more is reduced, what has fewer is spread. */
  depth: Depth
  /** Of a TIFF, from 1; of several pages one must be named. */
  page?: number | undefined
}

/**
 * Decodes a picture: orientation applied; grey stays grey; RGB stays in the space of its own profile, and so does grey of 16 bits; CMYK,
 * Lab and grey of 8 bits with a profile become sRGB.
 * @param how 8 bits and the only page, if not said
 * @throws UprezError `empty-image`, `not-an-image`, `unsupported-format`, `animated-image`, `too-many-pixels`, `broken-image`,
 * `invalid-option` for a page that is not there
 */
export async function decode(bytes: Uint8Array, limits: Pick<Limits, 'maxInputPixels'>): Promise<Picture>
export async function decode(bytes: Uint8Array, limits: Pick<Limits, 'maxInputPixels'>, how: How): Promise<Picture<Pixels>>
export async function decode(
  bytes: Uint8Array,
  limits: Pick<Limits, 'maxInputPixels'>,
  { depth, page }: How = { depth: 8 },
): Promise<Picture<Pixels>> {
  const { header, meta } = await inspect(bytes, bytes, limits, page)
  const { format, density } = header
  const deep = depth === 16 && header.depth === 16
  const grey = meta.space === 'b-w' || meta.space === 'grey16'
  const icc = profileOf(meta, deep)
  let pipeline = sharp(bytes, { ...STRICT, ...pageOption(page), autoOrient: true, limitInputPixels: limits.maxInputPixels })
  // This is sharp's "do not convert": it keeps the profile and leaves the pixels as they are stored.
  if (icc) pipeline = pipeline.keepIccProfile()
  // Of 8 bits, sharp's raw output drops the alpha of a grey picture, so that goes through RGBA.
  const space = deep ? (grey ? 'grey16' : 'rgb16') : grey && !header.alpha ? 'b-w' : 'srgb'
  const { data, info } = await pipeline
    .toColourspace(space)
    .raw({ depth: deep ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true })
    .catch(cause => broken(format, cause))
  const { width, height, channels } = info
  if (channels > 4) throw unsupportedChannels(channels)
  const attached = { icc, exif: meta.exif, xmp: meta.xmp, density }
  if (deep) {
    return { format, image: { data: new Uint16Array(data.buffer, data.byteOffset, data.length / 2), width, height, channels }, attached }
  }
  const decoded = { data: new Uint8Array(data.buffer, data.byteOffset, data.length), width, height, channels }
  const image = grey && channels === 4 ? greyAlpha(decoded) : decoded
  return { format, image: depth === 16 ? spread(image) : image, attached }
}

/** 'error' and not 'warning': many a camera's JPEG draws a warning. Truncated files fail either way. */
const STRICT = { failOn: 'error', limitInputChannels: 5 } as const

async function inspect(
  head: Uint8Array,
  source: Uint8Array | string,
  limits: Pick<Limits, 'maxInputPixels'> | undefined,
  page: number | undefined,
): Promise<{ header: Header; meta: SharpMetadata }> {
  const format = sniff(head)
  // The pixel limit is ours to check, so that the message can show the numbers.
  const read = (page?: number) =>
    sharp(source, { ...STRICT, ...pageOption(page), limitInputPixels: false })
      .metadata()
      .catch(cause => broken(format, cause))
  const first = await read()
  const pages = first.pages ?? 1
  if (pages > 1 && format !== 'tiff') refuseAnimation(`an animation of ${pages} frames`)
  if (pages > 1 && page === undefined) refuseAnimation(`a file of ${pages} pages, of which the option page takes one`)
  if (page !== undefined && page > pages) throw noSuchPage(page, pages)
  const meta = page === undefined || page === 1 ? first : await read(page)
  const { width, height } = meta.autoOrient
  if (limits && width * height > limits.maxInputPixels) {
    throw new UprezError(
      'too-many-pixels',
      `Expected at most ${limits.maxInputPixels} pixels but the picture has ${width}×${height} = ${width * height}`,
      {
        param: 'image',
        expected: `at most ${limits.maxInputPixels} pixels`,
        got: `${width}×${height}`,
      },
    )
  }
  const depth = meta.space === 'rgb16' || meta.space === 'grey16' ? 16 : 8
  return { header: { format, width, height, alpha: meta.hasAlpha, depth, density: densityOf(format, head, meta) }, meta }
}

/** sharp counts from 0. */
const pageOption = (page: number | undefined) => (page === undefined ? {} : { page: page - 1 })

async function readHead(path: string): Promise<Uint8Array> {
  const file = await open(path).catch(cause => noInput(path, cause))
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(HEAD_BYTES), 0, HEAD_BYTES, 0).catch(cause => noInput(path, cause))
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/**
 * The profile that the pixels stay in the space of: RGB, or grey of 16 bits, whose formats both hold it.
 * Bytes 16 to 20 name the space. https://www.color.org/specification/ICC.1-2022-05.pdf table 17
 */
function profileOf({ icc, space }: SharpMetadata, deep: boolean): Buffer | undefined {
  const isRgb = space === 'srgb' || space === 'rgb' || space === 'rgb16'
  const wanted = isRgb ? 'RGB ' : deep ? 'GRAY' : undefined
  return icc?.toString('latin1', 16, 20) === wanted ? icc : undefined
}

function spread({ data, width, height, channels }: Image): Image<Uint16Array> {
  const out = new Uint16Array(data.length)
  for (let i = 0; i < out.length; i++) out[i] = data[i]! * 257
  return { data: out, width, height, channels }
}

function greyAlpha({ data, width, height }: Image): Image {
  const out = new Uint8Array(width * height * 2)
  for (let i = 0, o = 0; o < out.length; i += 4, o += 2) {
    out[o] = data[i]!
    out[o + 1] = data[i + 3]!
  }
  return { data: out, width, height, channels: 2 }
}

function noInput(path: string, cause: unknown): never {
  const { code, message } = cause as NodeJS.ErrnoException
  const reason = code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : message
  throw new UprezError('no-input', `${path}: cannot be read: ${reason}`, { param: 'input', expected: 'a readable file', got: path, cause })
}

function broken(format: InputFormat, cause: unknown): never {
  const reason = (cause as Error).message.replace(/\s+/g, ' ').trim()
  throw new UprezError('broken-image', `Expected a whole ${format} picture but it cannot be decoded: ${reason}`, {
    param: 'image',
    expected: `a whole ${format} picture`,
    got: reason,
    cause,
  })
}

function noSuchPage(page: number, pages: number): UprezError {
  const expected = pages === 1 ? '1, the only page' : `a page from 1 to ${pages}`
  return new UprezError('invalid-option', `Expected ${expected} for page but received ${page}`, {
    param: 'page',
    expected,
    got: String(page),
  })
}

function unsupportedChannels(channels: number): UprezError {
  const got = `${channels} channels`
  return new UprezError('unsupported-format', `Expected 1 to 4 channels but the picture has ${channels}`, {
    param: 'image',
    expected: '1 to 4 channels',
    got,
  })
}
