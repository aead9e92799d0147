import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { meanOf, meanOfOriginals, measureSet } from '../../eval/measure.js'
import { KERNELS, type Method, modelMethod } from '../../eval/methods.js'
import { loadPair } from '../../eval/pairs.js'
import type { DataSet } from '../../eval/sets.js'
import type { Image } from '../../image/image.js'
import { psnr, psnrY, ssimY } from '../../image/metrics.js'
import { niqe } from '../../image/niqe.js'
import { resize } from '../../image/resize.js'
import { encode } from '../../infer/encode.js'
import type { Engine } from '../../infer/engine.js'
import { startEngine } from '../../infer/engine.js'
import { drawGrey, drawPhoto, fill } from '../support/draw.js'
import { writeModel } from '../support/model.js'

let root: string
let engine: Engine
let nearest: (scale: number) => Method[]
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'uprez-measure-'))
  const { dir, card } = await writeModel(root, { id: 'nearest', kind: 'nearest', scale: 2 })
  engine = await startEngine({ threads: 1 })
  nearest = scale => [...KERNELS, modelMethod(engine, { card, folder: dir }, scale)]
})
after(async () => {
  await engine.close()
  await rm(root, { recursive: true, force: true })
})

test('the scores are those of the whole pipeline: MATLAB reduction, the model, luma, the scale shaved', async () => {
  const photo = drawPhoto(61, 50)
  const set = await writeSet('scores', { 'a.png': photo })
  const { images } = await measureSet(set, { methods: nearest(2), scale: 2 })

  const high = cropped(photo, 60, 50)
  const low = resize(high, { width: 30, height: 25, kernel: 'bicubic' })
  const repeated = fill(60, 50, 3, (x, y) => [...low.data.subarray(((y >> 1) * 30 + (x >> 1)) * 3).subarray(0, 3)])
  const bicubic = resize(low, { width: 60, height: 50, kernel: 'bicubic' })
  const { width, height, figures } = images[0]!
  assert.deepEqual([width, height], [60, 50])
  assert.deepEqual(Object.keys(figures), ['bilinear', 'bicubic', 'lanczos', 'nearest'])
  assert.equal(figures.nearest!.psnrY, psnrY(high, repeated, 2))
  assert.equal(figures.nearest!.psnrRgb, psnr(high, repeated, 2))
  assert.equal(figures.nearest!.ssimY, ssimY(high, repeated, 2))
  assert.equal(figures.bicubic!.psnrY, psnrY(high, bicubic, 2))
  assert.ok(figures.bicubic!.psnrY > figures.nearest!.psnrY)
  assert.ok(figures.nearest!.seconds > 0)
})

test('a grey file scores as the same picture in RGB', async () => {
  const grey = drawGrey(48, 48)
  const colour = fill(48, 48, 3, (x, y) => Array(3).fill(grey.data[y * 48 + x]!))
  const set = await writeSet('grey', { 'grey.png': grey, 'rgb.png': colour })
  const { images, failures } = await measureSet(set, { methods: nearest(2), scale: 2 })
  assert.deepEqual(failures, [])
  const [a, b] = images.map(({ figures }) => [figures.bicubic!.psnrY, figures.nearest!.psnrY, figures.nearest!.ssimY])
  assert.deepEqual(a, b)
})

test('the mean is over the pictures, the time over their pixels', async () => {
  const set = await writeSet('mean', { 'a.png': drawPhoto(40, 40, 1), 'b.png': drawPhoto(80, 60, 2) })
  const { images } = await measureSet(set, { methods: nearest(2), scale: 2 })
  const mean = meanOf(images, 'nearest')
  const [a, b] = images.map(image => image.figures.nearest)
  assert.equal(mean.psnrY, (a!.psnrY + b!.psnrY) / 2)
  assert.equal(mean.secondsPerMegapixel, (a!.seconds + b!.seconds) / (6400 / 1e6))
})

test('a picture that is damaged or too small is kept apart and the others are measured', async () => {
  const set = await writeSet('broken', { 'a.png': drawPhoto(40, 40), 'small.png': drawPhoto(14, 40) })
  await writeFile(join(set.folder, 'cut.png'), (await encode(drawPhoto(40, 40), 'png', undefined, {})).subarray(0, 2000))
  const pictures = ['a.png', 'cut.png', 'small.png'].map(name => pictureIn(set, name))
  const { images, failures } = await measureSet({ ...set, pictures }, { methods: nearest(2), scale: 2 })
  assert.deepEqual(
    images.map(image => image.name),
    ['a.png'],
  )
  assert.deepEqual(
    failures.map(({ picture, error }) => [picture.name, error.code]),
    [
      ['cut.png', 'broken-image'],
      ['small.png', 'broken-image'],
    ],
  )
})

test('another scale than the model’s is reached by the final resize and scored at its own size', async () => {
  const set = await writeSet('three', { 'a.png': drawPhoto(61, 61) })
  const { images, failures } = await measureSet(set, { methods: nearest(3), scale: 3 })
  assert.deepEqual(failures, [])
  assert.deepEqual([images[0]!.width, images[0]!.height], [60, 60])
})

test('the right and lower edge is what is cropped', async () => {
  const photo = drawPhoto(47, 46)
  const set = await writeSet('crop', { 'a.png': photo })
  const { high, low } = await loadPair(pictureIn(set, 'a.png'), 4)
  assert.deepEqual(high, cropped(photo, 44, 44))
  assert.deepEqual([low.width, low.height], [11, 11])
})

test('a low side from a file is what the methods are asked, held to the scale of the high one', async () => {
  const high = await writeSet('pairs/gt', { 'a.png': drawPhoto(61, 50), 'b.png': drawPhoto(60, 50) })
  const low = drawPhoto(30, 25, 9)
  await writeSet('pairs/lq', { 'a.png': low, 'b.png': drawPhoto(31, 25) })
  const pictures = high.pictures.map(picture => ({ ...picture, low: picture.high.replace('gt', 'lq') }))
  const seen: Image[] = []
  const { images, failures } = await measureSet(
    { ...high, pictures, scale: 2 },
    { methods: KERNELS, scale: 2, onPictures: async (_, __, { low }) => void seen.push(low!) },
  )
  assert.deepEqual(seen, [low])
  const bicubic = resize(low, { width: 60, height: 50, kernel: 'bicubic' })
  assert.equal(images[0]!.figures.bicubic!.psnrY, psnrY(cropped(drawPhoto(61, 50), 60, 50), bicubic, 2))
  assert.deepEqual(
    failures.map(({ picture, error }) => [picture.name, error.code, error.expected, error.got]),
    [['b.png', 'invalid-option', '30×25 pixels', '31×25']],
  )
})

test('NIQE stands beside the originals’ where it is defined', async () => {
  const large = drawPhoto(120, 110)
  const set = await writeSet('natural', { 'a.png': large, 'b.png': drawPhoto(90, 90) })
  const { images } = await measureSet(set, { methods: KERNELS, scale: 2 })
  assert.equal(images[0]!.original.niqe, niqe(large, 2))
  assert.equal(images[1]!.original.niqe, null)
  assert.equal(meanOfOriginals(images).niqe, images[0]!.original.niqe)
  assert.equal(meanOf(images, 'lanczos').niqe, images[0]!.figures.lanczos!.niqe)
  assert.equal(meanOf(images.slice(1), 'lanczos').niqe, null)
  assert.equal(images[0]!.original.checks, undefined)
})

test('the checks catch a tint, a picture of its own, and a grid', async () => {
  const set = await writeSet('checked', { 'a.png': drawPhoto(96, 80, 3), 'b.png': drawPhoto(80, 96, 5) })
  const planted = (name: string, wave: (x: number, y: number) => number): Method => ({
    name,
    async enlarge(low, size) {
      const picture = resize(low, { ...size, kernel: 'bicubic' })
      const { width, height } = picture
      const at = (x: number, y: number) => [...picture.data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)]
      return { picture: fill(width, height, 3, (x, y) => at(x, y).map(value => value + wave(x, y))), seconds: 1 }
    },
  })
  const methods = [
    planted('clean', () => 0),
    planted('tinted', () => 3),
    planted('wavy', x => 9 * Math.sin(x / 9)),
    planted('dotted', dots),
  ]
  const { images } = await measureSet(set, { methods, scale: 2, checks: true })
  const [clean, tinted, wavy, dotted] = methods.map(({ name }) => meanOf(images, name).checks!)
  assert.ok(clean!.consistency > 36 && clean!.shift < 0.5 && clean!.grid < 1.05, JSON.stringify(clean))
  assert.ok(tinted!.shift > 2 && tinted!.grid < 1.05, JSON.stringify(tinted))
  assert.ok(wavy!.consistency < clean!.consistency - 3 && wavy!.grid < 1.3, JSON.stringify(wavy))
  assert.ok(dotted!.grid > 1.3 && dotted!.shift < 0.5, JSON.stringify(dotted))
  assert.deepEqual(meanOfOriginals(images).checks, { consistency: Number.POSITIVE_INFINITY, shift: 0, grid: 1 })
})

const dots = (x: number, y: number) => 3 * (-1) ** (x + y)

const pictureIn = ({ folder }: DataSet, name: string) => ({ name, high: join(folder, name), low: null })

async function writeSet(name: string, pictures: Record<string, Image>): Promise<DataSet> {
  const folder = join(root, 'sets', name)
  await mkdir(folder, { recursive: true })
  for (const [file, picture] of Object.entries(pictures)) await writeFile(join(folder, file), await encode(picture, 'png', undefined, {}))
  const files = Object.keys(pictures).sort()
  return { name, folder, pictures: files.map(name => ({ name, high: join(folder, name), low: null })), scale: null }
}

function cropped({ data, width: from }: Image, width: number, height: number): Image {
  return fill(width, height, 3, (x, y) => [...data.subarray((y * from + x) * 3, (y * from + x) * 3 + 3)])
}
