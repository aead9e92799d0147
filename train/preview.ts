import { basename, dirname, join } from 'node:path'
import sharp from 'sharp'
import { writeAtomic } from '../atomic.js'
import { UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import { resize } from '../image/resize.js'
import { batchOrder } from './batches.js'
import type { Config } from './config.js'
import { describeDegradation } from './degradations/index.js'
import { cutPatch, type Place } from './patch.js'
import { terminalReport } from './progress-line.js'
import { createSampler, type Sample } from './sampler.js'
import { findSources } from './sources.js'

const ROWS = 12
const CAPTION_WIDTH = 320
const GAP = 4

/**
 * Writes a contact sheet of the first samples that a run with this configuration will see, one a row: low side (nearest neighbour),
 * its bicubic enlargement, the original, and in words what was done to it. The same as data goes into a JSON file beside it.
 * @param path of the sheet, a PNG
 * @throws UprezError `invalid-option` for another extension, `no-input`, `no-images`, `pair-mismatch`, `not-writable`, `no-space`
 */
export async function writePreview(config: Config, path: string): Promise<void> {
  if (!/\.png$/i.test(path)) {
    throw new UprezError('invalid-option', `the preview is a PNG, not ${basename(path)}`, {
      param: '--preview',
      expected: 'NAME.png',
      got: path,
    })
  }
  const report = terminalReport()
  const { scale, data, degradation } = config
  const left = (file: string, reason: string) => report.say(`left out ${file}: ${reason}`)
  const { training, skipped } = await findSources(data, scale, degradation.kind !== 'bicubic', (done, total) =>
    report.busy('looking at images', done, total),
  )
  for (const { path: file, reason } of skipped) left(file, reason)
  const sampler = createSampler(batchOrder(config, training), data.cacheMb * 2 ** 20, left)

  const rows: Row[] = []
  for (let i = 0; i < ROWS; i++) {
    const [step, index] = [1 + Math.floor(i / data.batch), i % data.batch]
    rows.push({ step, index, sample: await sampler.draw(step, index) })
  }
  await writeAtomic(path, await drawSheet(rows, data.patch, scale))
  const facts = join(dirname(path), `${basename(path).slice(0, -4)}.json`)
  await writeAtomic(facts, `${JSON.stringify(rows.map(factsOf), null, 2)}\n`)
  report.say(`wrote ${path} and ${facts}`)
}

interface Row {
  step: number
  index: number
  sample: Sample
}

interface Facts {
  step: number
  index: number
  file: string
  low?: string
  place: Place
  degradation: Sample['plan']
}

function factsOf({ step, index, sample: { source, place, plan } }: Row): Facts {
  return { step, index, file: source.path, ...(source.low ? { low: source.low } : {}), place, degradation: plan }
}

async function drawSheet(rows: Row[], patch: number, scale: number): Promise<Buffer> {
  const side = patch * scale
  const tiles: { image: Image; left: number; top: number }[] = []
  for (const [r, { sample }] of rows.entries()) {
    const { pair, place } = sample
    const low = patchOf(pair.low, place.x, place.y, patch, place.symmetry)
    const size = { width: side, height: side }
    const columns = [
      resize(low, { ...size, kernel: 'box' }),
      resize(low, { ...size, kernel: 'bicubic' }),
      patchOf(pair.high, place.x * scale, place.y * scale, side, place.symmetry),
      await drawCaption(captionOf(sample), side),
    ]
    for (const [c, image] of columns.entries()) tiles.push({ image, left: c * (side + GAP), top: r * (side + GAP) })
  }
  return sharp({
    create: {
      width: 3 * (side + GAP) + CAPTION_WIDTH,
      height: rows.length * (side + GAP) - GAP,
      channels: 3,
      background: { r: 24, g: 24, b: 24 },
    },
  })
    .composite(tiles.map(({ image, left, top }) => ({ input: Buffer.from(image.data), raw: rawOf(image), left, top })))
    .png()
    .toBuffer()
}

/** What the network is given, in bytes. */
function patchOf(image: Image, x: number, y: number, side: number, symmetry: number): Image {
  const floats = new Float32Array(side * side * 3)
  cutPatch(image, x, y, side, symmetry, floats, 0)
  return { data: Uint8Array.from(floats, value => Math.round(value * 255)), width: side, height: side, channels: 3 }
}

function captionOf({ source, plan }: Sample): string {
  const made = plan ? describeDegradation(plan) : source.low === undefined ? 'bicubic' : `given: ${source.low}`
  return `${basename(source.path)}\n${made}`
}

async function drawCaption(text: string, height: number): Promise<Image> {
  const markup = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  const options = {
    text: `<span foreground="#dddddd">${markup}</span>`,
    font: 'sans 11',
    width: CAPTION_WIDTH - 2 * GAP,
    dpi: 72,
    rgba: true,
  }
  const { data, info } = await sharp({ text: options }).raw().toBuffer({ resolveWithObject: true })
  const kept = Math.min(info.height, height)
  return { data: data.subarray(0, kept * info.width * info.channels), width: info.width, height: kept, channels: info.channels }
}

function rawOf({ width, height, channels }: Image) {
  return { width, height, channels: channels as 3 | 4 }
}
