import { open, readFile } from 'node:fs/promises'
import type { Metadata as SharpMetadata } from 'sharp'
import { UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import type { Limits } from './engine.js'
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
}

/** What is attached to a picture and goes on to the result as it is. */
export interface Attached {
  /** RGB profile: the pixels stay in its space, unconverted. */
  icc?: Buffer | undefined
  exif?: Buffer | undefined
  xmp?: Buffer | undefined
}

export interface Picture {
  format: InputFormat
  /** 8 bits; 1 channel grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha. */
  image: Image
  attached: Attached
}

/**
 * Reads as little of a picture as tells its format and size.
 * @throws UprezError `no-input`, and what `decode` throws where the header shows it already
 */
export async function readHeader(source: Source, limits?: Pick<Limits, 'maxInputPixels'>): Promise<Header> {
  const head = 'bytes' in source ? source.bytes : await readHead(source.path)
  return (await inspect(head, 'bytes' in source ? source.bytes : source.path, limits)).header
}

/** @throws UprezError `no-input` */
export async function readSource(source: Source): Promise<Uint8Array> {
  return 'bytes' in source ? source.bytes : readFile(source.path).catch(cause => noInput(source.path, cause))
}

/**
 * Decodes a picture to 8 bits: orientation applied; grey stays grey; RGB stays in the space of its own profile; CMYK, Lab
 * and grey with a profile become sRGB.
 * @throws UprezError `empty-image`, `not-an-image`, `unsupported-format`, `animated-image`, `too-many-pixels`, `broken-image`
 */
export async function decode(bytes: Uint8Array, limits: Pick<Limits, 'maxInputPixels'>): Promise<Picture> {
  const { header, meta } = await inspect(bytes, bytes, limits)
  const grey = meta.space === 'b-w' || meta.space === 'grey16'
  const icc = grey ? undefined : rgbProfile(meta)
  let pipeline = sharp(bytes, { ...STRICT, autoOrient: true, limitInputPixels: limits.maxInputPixels })
  // This is sharp's "do not convert": it keeps the profile and leaves the pixels as they are stored.
  if (icc) pipeline = pipeline.keepIccProfile()
  // sharp's raw output drops the alpha of a grey picture, so that goes through RGBA.
  pipeline = pipeline.toColourspace(grey && !header.alpha ? 'b-w' : 'srgb')
  const { data, info } = await pipeline
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
    .catch(cause => broken(header.format, cause))
  const image = {
    data: new Uint8Array(data.buffer, data.byteOffset, data.length),
    width: info.width,
    height: info.height,
    channels: info.channels,
  }
  if (image.channels > 4) throw unsupportedChannels(image.channels)
  return {
    format: header.format,
    image: grey && image.channels === 4 ? greyAlpha(image) : image,
    attached: { icc, exif: meta.exif, xmp: meta.xmp },
  }
}

/** 'error' and not 'warning': many a camera's JPEG draws a warning. Truncated files fail either way. */
const STRICT = { failOn: 'error', limitInputChannels: 5 } as const

async function inspect(
  head: Uint8Array,
  source: Uint8Array | string,
  limits?: Pick<Limits, 'maxInputPixels'>,
): Promise<{ header: Header; meta: SharpMetadata }> {
  const format = sniff(head)
  // The pixel limit is ours to check, so that the message can show the numbers.
  const meta = await sharp(source, { ...STRICT, limitInputPixels: false })
    .metadata()
    .catch(cause => broken(format, cause))
  const { width, height } = meta.autoOrient
  if ((meta.pages ?? 1) > 1)
    refuseAnimation(`${format === 'webp' ? 'an animation' : 'a file'} of ${meta.pages} ${format === 'webp' ? 'frames' : 'pages'}`)
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
  return { header: { format, width, height, alpha: meta.hasAlpha }, meta }
}

async function readHead(path: string): Promise<Uint8Array> {
  const file = await open(path).catch(cause => noInput(path, cause))
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(HEAD_BYTES), 0, HEAD_BYTES, 0).catch(cause => noInput(path, cause))
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** Bytes 16 to 20 of a profile name the space of its pixels. https://www.color.org/specification/ICC.1-2022-05.pdf table 17 */
function rgbProfile({ icc, space }: SharpMetadata): Buffer | undefined {
  const isRgb = space === 'srgb' || space === 'rgb' || space === 'rgb16'
  return isRgb && icc?.toString('latin1', 16, 20) === 'RGB ' ? icc : undefined
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

function unsupportedChannels(channels: number): UprezError {
  const got = `${channels} channels`
  return new UprezError('unsupported-format', `Expected 1 to 4 channels but the picture has ${channels}`, {
    param: 'image',
    expected: '1 to 4 channels',
    got,
  })
}
