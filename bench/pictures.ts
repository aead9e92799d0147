import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { drawPhoto, random } from '../test/support/draw.js'

/** What a round works through, by file name. */
export interface Pictures {
  folder: string
  files: { name: string; bytes: Buffer }[]
  /** Of all of them, 10⁶ each. */
  megapixels: number
}

/** Draws pictures of 256 to 512 pixels a side into a folder, every second one as JPEG (quality 90), the others as PNG. */
export async function drawPictures(folder: string, count: number): Promise<Pictures> {
  await mkdir(folder, { recursive: true })
  const next = random(1)
  const side = () => 256 + Math.floor(257 * next())
  const pictures: Pictures = { folder, files: [], megapixels: 0 }
  for (let i = 0; i < count; i++) {
    const { data, width, height } = drawPhoto(side(), side(), i + 1)
    const raw = sharp(data, { raw: { width, height, channels: 3 } })
    const name = `${String(i).padStart(3, '0')}.${i % 2 === 0 ? 'jpg' : 'png'}`
    const bytes = i % 2 === 0 ? await raw.jpeg({ quality: 90 }).toBuffer() : await raw.png().toBuffer()
    await writeFile(join(folder, name), bytes)
    pictures.files.push({ name, bytes })
    pictures.megapixels += (width * height) / 1e6
  }
  return pictures
}

/** A picture of so many megapixels (10⁶ pixels), three to two, with a camera's grain: files are as large as photographs are. */
export function drawLarge(megapixels: number, format: 'jpg' | 'png'): Promise<Buffer> {
  const height = Math.round(Math.sqrt((megapixels * 1e6) / 1.5))
  const { data, width } = drawPhoto(Math.round(1.5 * height), height, 3)
  const next = random(3)
  for (let i = 0; i < data.length; i++) data[i] = Math.min(255, Math.max(0, data[i]! + Math.round(10 * next() - 5)))
  const raw = sharp(data, { raw: { width, height, channels: 3 } })
  return (format === 'jpg' ? raw.jpeg({ quality: 90 }) : raw.png()).toBuffer()
}

/** A PNG of side×side pixels. */
export function drawSmall(side: number): Promise<Buffer> {
  const { data } = drawPhoto(side, side, 4)
  return sharp(data, { raw: { width: side, height: side, channels: 3 } })
    .png()
    .toBuffer()
}
