import { BROKEN, EITHER, FINE, type Hostile, type Right, upload } from './hostile.js'
import { lyingProfile, zeros } from './lying-png.js'

/** TIFF files whose tags lie. TIFF 6.0, sections 2 and 8. */
export function lyingTiffs(): Hostile[] {
  const lie = (name: string, tags: Tags, right: readonly Right[], about: About = {}): Hostile =>
    upload(`TIFF ${name}`, () => tiff(tags, about), right, 'lie.tif')
  return [
    lie('that is fine', {}, FINE),
    lie('of no width', { 256: 0 }, BROKEN),
    lie('of no height', { 257: 0 }, BROKEN),
    lie('of 2³²−1 pixels a side', { 256: 0xffffffff, 257: 0xffffffff }, ['broken-image', 'too-many-pixels']),
    lie('of 100,000×100,000', { 256: 100_000, 257: 100_000, 278: 100_000 }, ['too-many-pixels', 'broken-image']),
    lie('of 9000×9000 in one strip', { 256: 9000, 257: 9000, 278: 9000 }, ['output-too-large', 'broken-image']),
    lie('of 600×600 and 64 bytes', { 256: 600, 257: 600, 278: 600 }, BROKEN),
    lie('of no bits', { 258: 0 }, BROKEN),
    lie('of 5 bits', { 258: 5 }, EITHER),
    lie('of 64 bits', { 258: 64, 339: 3 }, EITHER),
    lie('of 65,535 bits', { 258: 65_535 }, BROKEN),
    lie('of floats', { 258: 32, 339: 3 }, EITHER),
    lie('of complex numbers', { 258: 64, 339: 6 }, EITHER),
    lie('of no channels', { 277: 0 }, BROKEN),
    lie('of 6 channels', { 277: 6 }, ['broken-image', 'unsupported-format']),
    lie('of 65,535 channels', { 277: 65_535 }, ['broken-image', 'unsupported-format']),
    lie('of channels apart', { 277: 3, 284: 2 }, EITHER),
    lie('of a compression that nobody knows', { 259: 31_337 }, BROKEN),
    lie('of JPEG 2000', { 259: 34_712 }, BROKEN),
    lie('of JBIG', { 259: 34_661 }, BROKEN),
    lie('of old JPEG', { 259: 6 }, BROKEN),
    lie('of Group 4 fax', { 259: 4, 258: 1 }, EITHER),
    lie('of LZW noise', { 259: 5 }, EITHER),
    lie('of Zstandard noise', { 259: 50_000 }, BROKEN),
    lie('of LERC noise', { 259: 34_887 }, BROKEN),
    lie('of an unknown meaning', { 262: 9999 }, EITHER),
    lie('of a palette that is not there', { 262: 3 }, EITHER),
    lie('of YCbCr sampled by 0', { 262: 6, 277: 3, 530: 0 }, EITHER),
    lie('of strips of no rows', { 278: 0 }, EITHER),
    lie('of strips of 2³²−1 rows', { 278: 0xffffffff }, FINE),
    lie('whose strip lies behind the end', { 273: 0xfffffff0 }, BROKEN),
    lie('whose strip lies in its header', { 273: 0 }, FINE),
    lie('whose strip is of 4 GB', { 279: 0xffffffff }, EITHER),
    lie('whose strip is of no bytes', { 279: 0 }, EITHER),
    lie('of tiles of no side', { 322: 0, 323: 0 }, EITHER),
    lie('of tiles of 2³¹ a side', { 322: 2 ** 31, 323: 2 ** 31, 324: 200, 325: 64 }, EITHER),
    lie('of 9000×9000 in tiles of 16', { 256: 9000, 257: 9000, 322: 16, 323: 16, 324: 200, 325: 64 }, ['output-too-large', 'broken-image']),
    lie('of an unknown predictor', { 259: 8, 317: 77 }, BROKEN),
    lie('with a profile of 4 GB', { 34675: 0x100 }, EITHER, { counts: { 34675: 0xffffffff } }),
    lie('with a profile that lies about itself', { 34675: DATA }, EITHER, { counts: { 34675: 400 }, data: lyingProfile() }),
    lie('with XMP behind the end', { 700: 0xffffff00 }, EITHER, { counts: { 700: 100_000 } }),
    lie('with EXIF that is its own directory', { 34665: 8 }, EITHER),
    lie('with sub-directories that are its own', { 330: 8 }, EITHER),
    lie('turned in an unknown way', { 274: 200 }, EITHER),
    lie('whose directory is followed by itself', {}, [200, 'animated-image', 'broken-image'], { next: 8 }),
    lie('whose next directory is behind the end', {}, EITHER, { next: 0xfffffff0 }),
    lie('whose next directory is its pixels', {}, [200, 'animated-image', 'broken-image'], { next: DATA }),
    lie('of 65,535 tags', {}, BROKEN, { entries: 65_535 }),
    lie('of no tags', {}, BROKEN, { entries: 0 }),
    lie('whose directory is behind the end', {}, BROKEN, { first: 0xffffff00 }),
    lie('whose directory is its header', {}, BROKEN, { first: 0 }),
    lie('bomb: 90 MP in 100 kB of deflate', { 256: 9500, 257: 9500, 278: 9500, 259: 8 }, ['output-too-large'], {
      data: zeros(9500 * 9500),
    }),
    lie('bomb: 64 pixels that inflate to 1 GB', { 259: 8 }, EITHER, { data: zeros(1e9) }),
    upload('TIFF of two pages', () => pages(2), ['animated-image'], 'pages.tif'),
    upload('TIFF of 5000 pages', () => pages(5000), ['animated-image', 'broken-image'], 'pages.tif'),
    upload('TIFF of 100,000 pages', () => pages(100_000), ['animated-image', 'broken-image'], 'pages.tif'),
    upload('TIFF of pages that go round', () => pages(3, true), [200, 'animated-image', 'broken-image'], 'round.tif'),
    upload('BigTIFF of nothing', () => Buffer.from('II+\0\x08\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f', 'latin1'), BROKEN, 'big.tif'),
    upload('BigTIFF whose offsets have 7 bytes', () => Buffer.from('II+\0\x07\0\0\0\x10\0\0\0\0\0\0\0', 'latin1'), BROKEN, 'big.tif'),
  ]
}

type Tags = Record<number, number>

interface About {
  /** Of values, where it is not 1. */
  counts?: Tags
  data?: Buffer
  /** Where the next directory is said to be, the first one, and how many entries it is said to have. */
  next?: number
  first?: number
  entries?: number
}

/** Stands for the place behind the directory, where the data lies. */
const DATA = -1
const SIDE = 8

/** A grey picture of 8×8, except where these tags say otherwise; none is checked. */
function tiff(tags: Tags, { counts = {}, data = Buffer.alloc(SIDE * SIDE, 77), next = 0, first = 8, entries }: About): Buffer {
  const usual: Tags = { 256: SIDE, 257: SIDE, 258: 8, 259: 1, 262: 1, 273: DATA, 277: 1, 278: SIDE, 279: data.length }
  const all = Object.entries({ ...usual, ...tags })
  const behind = 8 + 2 + 12 * all.length + 4
  const place = (value: number) => (value === DATA ? behind : value)
  const out = Buffer.alloc(behind)
  out.write('II*\0', 0, 'latin1')
  out.writeUInt32LE(first, 4)
  out.writeUInt16LE(entries ?? all.length, 8)
  for (const [i, [tag, value]] of all.entries()) {
    const at = 10 + 12 * i
    out.writeUInt16LE(Number(tag), at)
    // LONG, and UNDEFINED for what is a row of bytes.
    out.writeUInt16LE(counts[Number(tag)] === undefined ? 4 : 7, at + 2)
    out.writeUInt32LE(counts[Number(tag)] ?? 1, at + 4)
    out.writeUInt32LE(place(value), at + 8)
  }
  out.writeUInt32LE(place(next), behind - 4)
  return Buffer.concat([out, data])
}

/** So many directories of the same pixels, the last one followed by the first where they go round. */
function pages(count: number, round = false): Buffer {
  const page = tiff({}, {}).subarray(8)
  const directory = page.subarray(0, page.length - SIDE * SIDE)
  const data = page.subarray(directory.length)
  const out = Buffer.concat([Buffer.from('II*\0\x08\0\0\0', 'latin1'), ...Array<Buffer>(count).fill(directory), data])
  for (let i = 0; i < count; i++) {
    const start = 8 + i * directory.length
    out.writeUInt32LE(8 + count * directory.length, start + 2 + 5 * 12 + 8)
    out.writeUInt32LE(i < count - 1 ? start + directory.length : round ? 8 : 0, start + directory.length - 4)
  }
  return out
}
